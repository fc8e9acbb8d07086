# Dot-sourced by start.ps1 and test.ps1, which have set $root to the checkout: makes .venv ready. Twin of environment.sh.
# Never runs any part of the project.
# No file here has a name that begins with a dot: shares hide those, and what is hidden is neither removed nor written
# over without being asked to (-Force).

$venv = Join-Path $root '.venv'
$python = Join-Path $venv 'Scripts\python.exe'
$incomplete = Join-Path $venv 'incomplete'

function Write-Step([string] $text) {
    [Console]::Error.WriteLine("==> $text")
}

# What a program writes, and what is written here, holds letters that the console's own code page may lack; into a pipe
# Python would write in the system's code page. Returns what Restore-Encoding sets back: the shell stays when the script
# is over.
function Set-Utf8Encoding {
    $before = @{ Python = $env:PYTHONUTF8; Console = $null }
    $env:PYTHONUTF8 = '1'
    try {
        $console = [Console]::OutputEncoding
        [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false
        $before.Console = $console
    } catch {
        # There is no console.
    }
    return $before
}

function Restore-Encoding($before) {
    $env:PYTHONUTF8 = $before.Python
    if ($before.Console) {
        try { [Console]::OutputEncoding = $before.Console } catch { }
    }
}

# Windows PowerShell takes a program's words on a redirected error stream for errors of the script. Where the
# program cannot be started, 1 is the exit code.
function Invoke-Program([string] $program, [string[]] $arguments) {
    $ErrorActionPreference = 'Continue'
    $global:LASTEXITCODE = 1
    & $program @arguments
}

# A script's arguments as they were written: PowerShell makes a list of 1,2. A backslash at the end may escape the
# quotation mark that PowerShell puts behind it; that of C:\ stays.
function Get-Words($words) {
    foreach ($word in $words) { ($word -join ',') -replace '(?<=[^:\\])\\+$', '' }
}

# Returns once .venv holds requirements\NAME.txt. Does nothing when an earlier call did it all.
function Initialize-Environment([string] $name) {
    if (Test-Ready $name) { return }
    # A checkout on a share may be used from both systems; each would delete the other's environment.
    if ((Test-Path -LiteralPath (Join-Path $venv 'bin')) -and -not (Test-Path -LiteralPath (Join-Path $venv 'Scripts'))) {
        Stop-WithReason "$venv was made on another system, and is used there: use a copy of this folder on Windows"
    }
    Install-Environment $name
}

# --- What is there -------------------------------------------------------------------------------------------

function Get-RequirementsFile([string] $name) {
    return Join-Path $root "requirements\$name.txt"
}

function Get-StampFile([string] $name) {
    return Join-Path $venv "ready-$name"
}

# A set-up counts for these requirements and the Python it was made with only.
function Get-Stamp([string] $name) {
    $hash = (Get-FileHash -LiteralPath (Get-RequirementsFile $name) -Algorithm SHA256).Hash
    $made_with = Get-Content -LiteralPath (Join-Path $venv 'pyvenv.cfg') | Where-Object { $_ -match '^(home|version)' }
    return "$hash $($made_with -join ' ')"
}

function Test-Ready([string] $name) {
    $stamp = Get-StampFile $name
    if (-not (Test-Path -LiteralPath $python)) { return $false }
    if (-not (Test-Path -LiteralPath $stamp)) { return $false }
    if (Test-Path -LiteralPath $incomplete) { return $false }
    return (Get-Content -LiteralPath $stamp -Raw).Trim() -eq (Get-Stamp $name)
}

# The launcher and its options. Not the interpreter's path: on its way through a pipe a path with letters beyond ASCII
# would suffer from the console's code page.
function Find-Python {
    # In Windows PowerShell, what a program writes to a redirected stderr would otherwise end the script.
    $ErrorActionPreference = 'Continue'
    $old = ''
    foreach ($candidate in @('py -3.11', 'py -3.12', 'py -3.13', 'python')) {
        $launcher = (-split $candidate)[0]
        $options = @(-split $candidate | Select-Object -Skip 1)
        if (-not (Get-Command $launcher -ErrorAction SilentlyContinue)) { continue }
        # In the syntax of Python 2, so that an old one can answer.
        $global:LASTEXITCODE = 1
        $version = & $launcher @options -c 'import sys; print(sys.version.split()[0]); sys.exit(sys.version_info < (3, 11))' 2>$null
        if ($LASTEXITCODE -eq 0) { return $candidate }
        if ("$version" -match '^[0-9.]+$') { $old = " ($candidate is Python $version)" }
    }
    Stop-WithReason "needs Python 3.11 or later$old, for example: winget install Python.Python.3.11"
}

# --- What is done about it -----------------------------------------------------------------------------------

# Leaves an empty folder. Not by Remove-Item, which keeps handles of the folders it has listed: where a share, or an older
# Windows, keeps a deleted folder until its last handle is closed, the folder above it is not empty then.
# WORKAROUND https://github.com/PowerShell/PowerShell/issues/27710
# A scanner for viruses has handles too, for a moment. What cannot be removed does not count as ready.
function Clear-Environment {
    foreach ($pause in @(0, 100, 300, 1000, 2000)) {
        Start-Sleep -Milliseconds $pause
        try {
            if ([IO.Directory]::Exists($venv)) { [IO.Directory]::Delete($venv, $true) }
            $null = New-Item -ItemType Directory -Path $venv
            return
        } catch {
            $reason = $_.Exception.GetBaseException().Message.Trim()
        }
        # Files of a Python that is read-only are copied as such.
        try {
            foreach ($file in [IO.Directory]::GetFiles($venv, '*', 'AllDirectories')) {
                [IO.File]::SetAttributes($file, 'Normal')
            }
        } catch { }
    }
    $null = New-Item -ItemType File -Path $incomplete -Force -ErrorAction SilentlyContinue
    Stop-WithReason "$venv could not be removed ($reason): end the programs that use it, then start again"
}

function Install-Environment([string] $name) {
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $base = Find-Python
    if ((Test-Path -LiteralPath $incomplete) -or -not (Test-Path -LiteralPath $python)) {
        Write-Step "Making .venv with $base"
        $launcher = (-split $base)[0]
        $options = @(-split $base | Select-Object -Skip 1)
        Clear-Environment
        $null = New-Item -ItemType File -Path $incomplete
        Invoke-Program $launcher ($options + @('-m', 'venv', $venv))
        if ($LASTEXITCODE -ne 0) { Stop-WithReason "could not make $venv, see above" }
    }
    # Until the end of the set-up: an interrupted one starts again from nothing.
    $null = New-Item -ItemType File -Path $incomplete -Force

    Write-Step "Installing Python packages from requirements\$name.txt; this may take some minutes"
    # --no-deps: the file names every package; what it leaves out of what a package asks for is left out on purpose.
    Invoke-Program $python @('-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check',
        '--only-binary', ':all:', '--no-deps', '--require-hashes', '-r', (Get-RequirementsFile $name))
    if ($LASTEXITCODE -ne 0) { Stop-WithReason "requirements\$name.txt could not be installed, see above" }

    # The project itself is used from its folder. Both files hold no absolute path, so the checkout may be moved.
    Set-Content -LiteralPath (Join-Path $venv 'Lib\site-packages\katana_queue.pth') -Value '..\..\..' -Encoding ASCII
    $kq = @('@echo off', '"%~dp0python.exe" -P -m kq %*')
    Set-Content -LiteralPath (Join-Path $venv 'Scripts\kq.cmd') -Value $kq -Encoding ASCII

    Set-Content -LiteralPath (Get-StampFile $name) -Value (Get-Stamp $name) -Encoding UTF8
    Remove-Item -LiteralPath $incomplete
    Write-Step "Ready after $([int] $clock.Elapsed.TotalSeconds) s"
}
