/* powershell.exe: the PowerShell that KQ_TEST_PWSH names, with the same arguments. Wine's own does nothing. */
#include <windows.h>
#include <wchar.h>

static wchar_t command[32768];

int wmain(void)
{
    wchar_t program[1024], *rest = GetCommandLineW();
    if (!GetEnvironmentVariableW(L"KQ_TEST_PWSH", program, 1024))
        return 255;
    /* The first word is this program's own name. */
    BOOL quoted = *rest == L'"';
    for (rest += quoted; *rest && *rest != (quoted ? L'"' : L' '); rest++)
        ;
    rest += quoted && *rest;
    swprintf(command, 32768, L"\"%ls\"%ls", program, rest);
    STARTUPINFOW startup = {0};
    PROCESS_INFORMATION child;
    startup.cb = sizeof startup;
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child))
        return 254;
    WaitForSingleObject(child.hProcess, INFINITE);
    DWORD code = 253;
    GetExitCodeProcess(child.hProcess, &code);
    return (int)code;
}
