# Opens the desktop on Windows. Makes its environment first, where that has not been done.
# Works with Windows PowerShell 5.1 and later; if scripts are disabled on this machine:
#   powershell -ExecutionPolicy Bypass -File start.ps1

$ErrorActionPreference = 'Stop'
$root = $PSScriptRoot
$venv = Join-Path $root '.venv'
$python = Join-Path $venv 'Scripts\python.exe'
$requirements = Join-Path $root 'requirements\host.txt'
$ready = Join-Path $venv '.ready-host'
$incomplete = Join-Path $venv '.incomplete'

$usage = @'
Usage: .\start.ps1 [SCENE] [--node NAME] [--frame N] [--out DIR] [--agents N] [--headless]

Opens the desktop with SCENE, a USD file or a saved project; without one, with the sample scene.
With --headless it renders by itself: Katana Queue > Preview Render on a node, then saves the
picture, the render log and a screenshot of the window, and ends.

  --node NAME   the node to render (default: the first Render node)
  --frame N     the frame to render
  --out DIR     where the picture, log and screenshot go (default: out)
  --agents N    local agents to keep running (default: KQ_NUM_AGENTS, else 2)
  --headless    render off screen and end
  -h, --help    show this text and end
'@

function Write-Step([string] $text) {
    [Console]::Error.WriteLine("==> $text")
}

function Stop-WithReason([string] $reason) {
    [Console]::Error.WriteLine("start.ps1: $reason")
    exit 1
}

# Windows PowerShell takes a program's words on a redirected error stream for errors of the script. Where the
# program cannot be started, 1 is the exit code.
function Invoke-Program([string] $program, [string[]] $arguments) {
    $ErrorActionPreference = 'Continue'
    $global:LASTEXITCODE = 1
    & $program @arguments
}

# The launcher and its options, or nothing. Not the interpreter's path: on its way through a pipe a path with
# letters beyond ASCII would suffer from the console's code page.
function Find-Python {
    # In Windows PowerShell, what a program writes to a redirected stderr would otherwise end the script.
    $ErrorActionPreference = 'Continue'
    foreach ($candidate in @('py -3.11', 'py -3.12', 'py -3.13', 'python')) {
        $launcher = (-split $candidate)[0]
        $options = @(-split $candidate | Select-Object -Skip 1)
        if (-not (Get-Command $launcher -ErrorAction SilentlyContinue)) { continue }
        & $launcher @options -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>$null | Out-Null
        if ($LASTEXITCODE -eq 0) { return $candidate }
    }
}

# A set-up counts for these requirements and the Python it was made with only.
function Get-Stamp {
    $hash = (Get-FileHash -LiteralPath $requirements -Algorithm SHA256).Hash
    $made_with = Get-Content -LiteralPath (Join-Path $venv 'pyvenv.cfg') | Where-Object { $_ -match '^(home|version)' }
    return "$hash $($made_with -join ' ')"
}

function Test-Ready {
    if (-not (Test-Path -LiteralPath $python)) { return $false }
    if (-not (Test-Path -LiteralPath $ready)) { return $false }
    if (Test-Path -LiteralPath $incomplete) { return $false }
    return (Get-Content -LiteralPath $ready -Raw).Trim() -eq (Get-Stamp)
}

function Install-Environment {
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $base = Find-Python
    if (-not $base) { Stop-WithReason 'needs Python 3.11 or later, for example: winget install Python.Python.3.11' }

    if ((Test-Path -LiteralPath $incomplete) -or -not (Test-Path -LiteralPath $python)) {
        Write-Step "Making .venv with $base"
        $launcher = (-split $base)[0]
        $options = @(-split $base | Select-Object -Skip 1)
        if (Test-Path -LiteralPath $venv) { Remove-Item -LiteralPath $venv -Recurse -Force }
        $null = New-Item -ItemType Directory -Path $venv
        $null = New-Item -ItemType File -Path $incomplete
        Invoke-Program $launcher ($options + @('-m', 'venv', $venv))
        if ($LASTEXITCODE -ne 0) { Stop-WithReason "could not make $venv, see above" }
    }
    # Until the end of the set-up: an interrupted one starts again from nothing.
    $null = New-Item -ItemType File -Path $incomplete -Force

    Write-Step 'Installing Python packages from requirements\host.txt; this may take some minutes'
    # --no-deps: the file names every package; what it leaves out of what a package asks for is left out on purpose.
    Invoke-Program $python @('-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check',
        '--only-binary', ':all:', '--no-deps', '--require-hashes', '-r', $requirements)
    if ($LASTEXITCODE -ne 0) { Stop-WithReason 'requirements\host.txt could not be installed, see above' }

    # The project itself is used from its folder. Both files hold no absolute path, so the checkout may be moved.
    Set-Content -LiteralPath (Join-Path $venv 'Lib\site-packages\katana_queue.pth') -Value '..\..\..' -Encoding ASCII
    $kq = @('@echo off', '"%~dp0python.exe" -P -m kq %*')
    Set-Content -LiteralPath (Join-Path $venv 'Scripts\kq.cmd') -Value $kq -Encoding ASCII

    Set-Content -LiteralPath $ready -Value (Get-Stamp) -Encoding UTF8
    Remove-Item -LiteralPath $incomplete
    Write-Step "Ready after $([int] $clock.Elapsed.TotalSeconds) s"
}

if ($args -contains '--help' -or $args -contains '-h') {
    Write-Output $usage
    exit 0
}

if ($root.IndexOfAny([char[]]'[]') -ge 0) {
    Stop-WithReason "$root holds [ or ], a pattern of Windows PowerShell, from which it calls no program: move it"
}
if (-not (Test-Ready)) { Install-Environment }

$env:KATANA_RESOURCES = (@("$root\plugins", "$root\resources", $env:KATANA_RESOURCES) | Where-Object { $_ }) -join ';'
$env:PYTHONPATH = (@($root, $env:PYTHONPATH) | Where-Object { $_ }) -join ';'
# A backslash at the end may escape the quotation mark that PowerShell puts behind it. That of C:\ stays.
$options = @($args | ForEach-Object { "$_" -replace '(?<=[^:\\])\\+$', '' })
Invoke-Program $python (@('-P', '-m', 'host.app') + $options)
exit $LASTEXITCODE
