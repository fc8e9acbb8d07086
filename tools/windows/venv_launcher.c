/* python.exe of a virtual environment, which Linux's standard library does not bring: it starts the interpreter that
   pyvenv.cfg names, and tells it by a variable which environment it is. */
#include <windows.h>
#include <stdio.h>
#include <wchar.h>

static wchar_t own[4096], folder[4096], home[4096], command[32768];

static BOOL find_home(void)
{
    char line[4096];
    wcscpy(folder, own);
    for (int up = 0; up < 2; up++)
        *wcsrchr(folder, L'\\') = 0;
    wcscat(folder, L"\\pyvenv.cfg");
    FILE *file = _wfopen(folder, L"rb");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "home = ", 7)) {
            line[strcspn(line, "\r\n")] = 0;
            fclose(file);
            return MultiByteToWideChar(CP_UTF8, 0, line + 7, -1, home, 4000) > 0;
        }
    return FALSE;
}

int wmain(void)
{
    if (!GetModuleFileNameW(NULL, own, 4000) || !find_home())
        return 101;
    wcscat(home, L"\\python.exe");
    SetEnvironmentVariableW(L"__PYVENV_LAUNCHER__", own);
    wchar_t *rest = GetCommandLineW();
    BOOL quoted = *rest == L'"';
    for (rest += quoted; *rest && *rest != (quoted ? L'"' : L' '); rest++)
        ;
    rest += quoted && *rest;
    swprintf(command, 32768, L"\"%ls\"%ls", own, rest);
    STARTUPINFOW startup = {0};
    PROCESS_INFORMATION child;
    startup.cb = sizeof startup;
    if (!CreateProcessW(home, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child))
        return 102;
    WaitForSingleObject(child.hProcess, INFINITE);
    DWORD code = 103;
    GetExitCodeProcess(child.hProcess, &code);
    return (int)code;
}
