# Stops the Agents of Katana Queue that StartAgents.ps1 started on this machine, with what they render.
#
#   .\StopAgents.ps1 [SESSION | --all]
#
# Without an argument: those of the only session that has Agents here; where several have some, it names them.
# It ends processes by pid and start time, as StartAgents wrote them down, and no others. It needs no elevation.
$ErrorActionPreference = 'Stop'

function Stop-WithMessage([string]$Message) {
    [Console]::Error.WriteLine("StopAgents: $Message")
    exit 2
}

# Where the Agents' files are. A login that has no profile folder would have them beside Windows'.
function Test-Profile {
    if (-not ($Env:KQ_REMOTE_DIR -or ($Env:USERPROFILE -and (Test-Path -LiteralPath $Env:USERPROFILE)))) {
        Stop-WithMessage "this user has no profile folder ('$Env:USERPROFILE'): set KQ_REMOTE_DIR to a folder for the Agents"
    }
}

function Stop-Agents([string[]]$Words) {
    # As Python finds it. $HOME may be a network drive, where an administrator gave the account one.
    $Base = "$Env:USERPROFILE\.katana-queue"
    if ($Env:KQ_REMOTE_DIR) {
        $Base = $Env:KQ_REMOTE_DIR
    }
    $PythonFile = "$Base\python"
    $RootFile = "$Base\root"
    # What started the Agents can end them: StartAgents keeps its Python and folder here.
    if (-not ((Test-Path -LiteralPath $PythonFile) -and (Test-Path -LiteralPath $RootFile))) {
        Write-Output "No Agents run here: StartAgents has not been used on $Env:COMPUTERNAME"
        Write-Output 'kq-remote: {"ended":[]}'
        exit 0
    }
    $Python = [System.IO.File]::ReadAllText($PythonFile)
    if ($Env:KQ_PYTHON) {
        $Python = $Env:KQ_PYTHON
    } elseif (-not (Test-Path -LiteralPath $Python)) {
        Stop-WithMessage "$Python, which started the Agents, is gone: set KQ_PYTHON to another"
    }
    if ($Python.IndexOfAny([char[]]'[]*?') -ge 0) {
        Stop-WithMessage "$Python is not called, for it holds [ or ], a pattern of Windows PowerShell: set KQ_PYTHON to another"
    }
    $Kq = [System.IO.File]::ReadAllText($RootFile)
    if ($Env:KQ_ROOT) {
        $Kq = $Env:KQ_ROOT
    }
    $Program = "$Kq\kq\remote_host\__main__.py"
    if (-not (Test-Path -LiteralPath $Program)) {
        Stop-WithMessage "Katana Queue is not in $Kq any more: set KQ_ROOT"
    }
    # Windows PowerShell takes a program's words on a redirected error stream for errors of the script. Where the program
    # cannot be started, 1 is the exit code.
    $ErrorActionPreference = 'Continue'
    $global:LASTEXITCODE = 1
    & $Python -P $Program 'stop' @Words
}

$Utf8, $Encoding = $Env:PYTHONUTF8, $null
try {
    # Otherwise a path with letters that the code page lacks ends Python where it prints it, or arrives as ?.
    $Env:PYTHONUTF8 = '1'
    try {
        $Before = [Console]::OutputEncoding
        [Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false
        $Encoding = $Before
    } catch {
        # There is no console.
    }
    # PowerShell makes a list of an argument with a comma.
    Test-Profile
    Stop-Agents @($args | ForEach-Object { $_ -join ',' })
    exit $LASTEXITCODE
} finally {
    # The shell from which this was called goes on.
    $Env:PYTHONUTF8 = $Utf8
    if ($Encoding) {
        [Console]::OutputEncoding = $Encoding
    }
}
