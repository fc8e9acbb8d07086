/* Runs the command that the .txt file beside it, of the same name, begins with, and passes its own arguments on.
   As powershell.exe it stands in for Wine's, which does nothing. */
#include <windows.h>
#include <stdio.h>
#include <wchar.h>

static wchar_t command[32768], file_name[4096];
static char text[8192];

int wmain(void)
{
    GetModuleFileNameW(NULL, file_name, 4000);
    wcscpy(wcsrchr(file_name, L'.'), L".txt");
    FILE *file = _wfopen(file_name, L"rb");
    if (!file || !fread(text, 1, sizeof text - 1, file) || !MultiByteToWideChar(CP_UTF8, 0, text, -1, command, 32768))
        return 255;
    fclose(file);
    /* The first word is this program's own name. */
    wchar_t *rest = GetCommandLineW();
    BOOL quoted = *rest == L'"';
    for (rest += quoted; *rest && *rest != (quoted ? L'"' : L' '); rest++)
        ;
    rest += quoted && *rest;
    wcsncat(command, rest, 32767 - wcslen(command));
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
