# Starts Agents of Katana Queue on this machine, for a desktop elsewhere on the network.
#
#   .\StartAgents.ps1 KATANA_ROOT KQ_DATA_ROOT KQ_HOST REQUEST_PORT UPDATE_PORT BROADCAST_PORT NUM_AGENTS
#
# Run by hand it needs the session's key, in .katana-queue\connection.json of the home folder or the file that
# KQ_CONNECTION names: `kq remote key` on the desktop's machine prints it. Variables that may be set:
#   KQ_CONNECTION  the file with the session's key; - reads standard input
#   KQ_ROOT        the folder that holds the package kq, when it is not KATANA_ROOT
#   KQ_PYTHON      the Python to use, 3.11 or later, with pyzmq, msgspec and psutil
# It needs no elevation. The Agents outlive the SSH session: they leave the job that ends with it.
# Letters of ASCII alone stand here, for Windows PowerShell takes others for those of an old code page.
param(
    $KatanaRoot,
    $DataRoot,
    [string]$KqHost,
    [string]$RequestPort,
    [string]$UpdatePort,
    [string]$BroadcastPort,
    [string]$NumAgents
)
$ErrorActionPreference = 'Stop'

function Stop-WithMessage([string]$Message) {
    [Console]::Error.WriteLine("StartAgents: $Message")
    exit 2
}

# Where the Agents' files are. A login that has no profile folder would have them beside Windows'.
function Test-Profile {
    if (-not ($Env:KQ_REMOTE_DIR -or ($Env:USERPROFILE -and (Test-Path -LiteralPath $Env:USERPROFILE)))) {
        Stop-WithMessage "this user has no profile folder ('$Env:USERPROFILE'): set KQ_REMOTE_DIR to a folder for the Agents"
    }
}

# Not by attributes of the parameters: those would ask for what is missing, and word the rest themselves.
function Test-Arguments([int]$Count) {
    if ($Count -ne 7) {
        Stop-WithMessage ('seven arguments are needed: KATANA_ROOT KQ_DATA_ROOT KQ_HOST REQUEST_PORT UPDATE_PORT ' +
            "BROADCAST_PORT NUM_AGENTS; $Count were given: put paths in quotation marks")
    }
    foreach ($Number in @($RequestPort, $UpdatePort, $BroadcastPort, $NumAgents)) {
        if ($Number -notmatch '^[0-9]+$') {
            Stop-WithMessage "'$Number' is no number: three ports and the number of Agents come last"
        }
    }
}

# Paths are put together as text, for Join-Path fails on a drive that is not there: an SSH session has no letters
# of network drives.
function Find-Kq {
    foreach ($Folder in @($Env:KQ_ROOT, $KatanaRoot, "$PSScriptRoot\..\..", "$KatanaRoot\plugins\Resources\KatanaQueue")) {
        if ($Folder -and (Test-Path -LiteralPath "$Folder\kq\remote_host\__main__.py" -ErrorAction SilentlyContinue)) {
            return (Resolve-Path -LiteralPath $Folder).ProviderPath
        }
    }
    Stop-WithMessage "Katana Queue is neither in KATANA_ROOT $KatanaRoot nor in KQ_ROOT '$Env:KQ_ROOT': install it there"
}

# What can be called: of Windows PowerShell's patterns, a path with [ or ] would be another program's.
function Find-Program([string]$Name) {
    if ($Name.IndexOfAny([char[]]'[]*?') -ge 0) {
        return
    }
    # All of that name on the PATH: the first one may be what stands in for a Python that is not installed.
    Get-Command $Name -CommandType Application -All -ErrorAction SilentlyContinue | ForEach-Object { $_.Source }
}

function Find-Python([string]$Kq) {
    # Windows PowerShell takes a program's words on a redirected error stream for errors of the script; what
    # stands in for a Python has some.
    $ErrorActionPreference = 'Continue'
    $Names = @(
        "$KatanaRoot\bin\python.exe",
        "$Kq\.venv\Scripts\python.exe",
        'python.exe',
        'python3.exe'
    )
    if ($Env:KQ_PYTHON) {
        $Names = @($Env:KQ_PYTHON)
    }
    $TooOld = @()
    foreach ($Name in $Names) {
        foreach ($Found in @(Find-Program $Name)) {
            # In the syntax of Python 2, so that an old one can answer.
            $global:LASTEXITCODE = 1
            $Version = & $Found -c 'import sys; print(sys.version.split()[0]); sys.exit(sys.version_info < (3, 11))' 2>$null
            if ($LASTEXITCODE -eq 0) {
                return $Found
            }
            if ("$Version" -match '^[0-9.]+$') {
                $TooOld += "; $Found is Python $Version"
            }
        }
    }
    Stop-WithMessage ("there is no Python 3.11 or later here ($($Names -join ', ')$($TooOld -join '')): install one, " +
        'or set KQ_PYTHON; none is called whose path holds [ or ]')
}

function Start-Agents {
    $Kq = Find-Kq
    $Python = Find-Python $Kq
    $Program = "$Kq\kq\remote_host\__main__.py"
    $FirstLog = '0'
    if ($Env:KQ_FIRST_LOG) {
        $FirstLog = $Env:KQ_FIRST_LOG
    }
    $Arguments = @('-P', $Program, 'start')
    foreach ($Pair in @(
            @('--connection', $Env:KQ_CONNECTION),
            @('--katana-root', $KatanaRoot),
            @('--desktop-root', $Env:KQ_DESKTOP_ROOT),
            @('--data-root', $DataRoot),
            @('--host', $KqHost)
        )) {
        if (-not $Pair[1]) {
            # An empty argument is lost on its way to a program, in PowerShell before 7.3.
            continue
        }
        if ($Pair[1].Contains('"')) {
            Stop-WithMessage "$($Pair[1]) holds a quotation mark, which no path of Windows does: correct it"
        }
        # A backslash at the end may escape the quotation mark that PowerShell puts behind it. That of C:\ stays.
        $Arguments += @($Pair[0], ($Pair[1] -replace '(?<=[^:\\])\\+$', ''))
    }
    $Arguments += @('--ports', $RequestPort, $UpdatePort, $BroadcastPort)
    $Arguments += @('--agents', $NumAgents, '--first-log', $FirstLog)

    Write-Output "Starting $NumAgents Agents on $Env:COMPUTERNAME for $KqHost"
    # From here on, for a program's words on a redirected error stream; where it cannot be started, 1 is the exit code.
    $ErrorActionPreference = 'Continue'
    $global:LASTEXITCODE = 1
    if ($Env:KQ_CONNECTION -eq '-') {
        [Console]::In.ReadToEnd() | & $Python @Arguments
    } else {
        & $Python @Arguments
    }
}

$OutputEncoding = New-Object System.Text.UTF8Encoding $false
# PowerShell makes a list of an argument with a comma.
$KatanaRoot, $DataRoot = ($KatanaRoot -join ','), ($DataRoot -join ',')
$Utf8, $Encoding = $Env:PYTHONUTF8, $null
try {
    # Otherwise a path with letters that the code page lacks ends Python where it prints it, or arrives as ?.
    $Env:PYTHONUTF8 = '1'
    try {
        $Before = [Console]::OutputEncoding
        [Console]::OutputEncoding = $OutputEncoding
        $Encoding = $Before
    } catch {
        # There is no console.
    }
    Test-Arguments ($PSBoundParameters.Count + $args.Count)
    Test-Profile
    Start-Agents
    exit $LASTEXITCODE
} finally {
    # The shell from which this was called goes on.
    $Env:PYTHONUTF8 = $Utf8
    if ($Encoding) {
        [Console]::OutputEncoding = $Encoding
    }
}
