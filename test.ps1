# Installs what the tests need on Windows, then runs those that run there. Arguments go to pytest.
# Works with Windows PowerShell 5.1 and later; if scripts are disabled on this machine:
#   powershell -ExecutionPolicy Bypass -File test.ps1

$ErrorActionPreference = 'Stop'
$root = $PSScriptRoot

function Stop-WithReason([string] $reason) {
    [Console]::Error.WriteLine("test.ps1: $reason")
    exit 1
}

if ($root.IndexOfAny([char[]]'[]') -ge 0) {
    Stop-WithReason "$root holds [ or ], a pattern of Windows PowerShell, from which it calls no program: move it"
}
. "$root\tools\environment.ps1"
$encoding = Set-Utf8Encoding
Push-Location -LiteralPath $root
try {
    Initialize-Environment 'dev'
    $words = @(Get-Words $args)
    if (-not $words) { $words = @(Get-Content -LiteralPath "$root\tools\windows\rooms.txt") }
    Invoke-Program $python (@('-m', 'pytest') + $words)
    exit $LASTEXITCODE
} finally {
    Pop-Location
    Restore-Encoding $encoding
}
