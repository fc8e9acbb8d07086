# Opens the desktop on Windows. Makes its environment first, where that has not been done.
# Works with Windows PowerShell 5.1 and later; if scripts are disabled on this machine:
#   powershell -ExecutionPolicy Bypass -File start.ps1

$ErrorActionPreference = 'Stop'
$root = $PSScriptRoot

$usage = @'
Usage: .\start.ps1 [SCENE] [--node NAME] [--frame N] [--out DIR] [--agents N] [--headless]
                   [--width N] [--height N] [--samples N] [--denoise WHEN] [--renderer NAME]
       .\start.ps1 --install-cycles

Opens the desktop with SCENE, a USD file or a saved project; without one, with the sample scene.
With --headless it renders by itself: Katana Queue > Preview Render on a node, then saves the
picture, the render log and a screenshot of the window, and ends.

  --node NAME   the node to render (default: the first Render node)
  --frame N     the frame to render
  --out DIR     where the picture, log and screenshot go (default: out)
  --agents N    number of local Agents (default: KQ_NUM_AGENTS, else 2)
  --headless    render off screen and end
  --width N, --height N, --samples N, --renderer NAME
                off screen: pixels, samples and renderer, instead of the scene's own
  --denoise WHEN
                off screen: previews, always or never, instead of the scene's own
  --install-cycles
                installs the renderer cycles (Blender, GPL-3; 370 MB, 820 on disk; Python 3.11), and ends
  -h, --help    show this text and end
'@

function Stop-WithReason([string] $reason) {
    [Console]::Error.WriteLine("start.ps1: $reason")
    exit 1
}

if ($args -contains '--help' -or $args -contains '-h') {
    Write-Output $usage
    exit 0
}

if ($root.IndexOfAny([char[]]'[]') -ge 0) {
    Stop-WithReason "$root holds [ or ], a pattern of Windows PowerShell, from which it calls no program: move it"
}
. "$root\tools\environment.ps1"
$encoding = Set-Utf8Encoding
$resources, $path = $env:KATANA_RESOURCES, $env:PYTHONPATH
try {
    Initialize-Environment 'host'
    if ($args -contains '--install-cycles') {
        Initialize-Environment 'cycles'
        exit 0
    }
    $env:KATANA_RESOURCES = (@("$root\plugins", "$root\resources", $resources) | Where-Object { $_ }) -join ';'
    $env:PYTHONPATH = (@($root, $path) | Where-Object { $_ }) -join ';'
    Invoke-Program $python (@('-P', '-m', 'host.app') + @(Get-Words $args))
    exit $LASTEXITCODE
} finally {
    # The shell from which this was called goes on, and may call it again.
    $env:KATANA_RESOURCES, $env:PYTHONPATH = $resources, $path
    Restore-Encoding $encoding
}
