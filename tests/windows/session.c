/* What an SSH session of OpenSSH for Windows is: cmd runs the command, in a job that ends with the session and lets
   out what asks for it. The command comes in SSH_ORIGINAL_COMMAND, as sshd passes it to a forced command. */
#include <windows.h>
#include <wchar.h>

static wchar_t command[32768] = L"C:\\windows\\system32\\cmd.exe /c \"";
static wchar_t profile[1024];

int wmain(void)
{
    size_t used = wcslen(command);
    if (!GetEnvironmentVariableW(L"SSH_ORIGINAL_COMMAND", command + used, 32768 - used - 2))
        return 255;
    wcscat(command, L"\"");
    SetEnvironmentVariableW(L"SSH_ORIGINAL_COMMAND", NULL);
    if (GetEnvironmentVariableW(L"KQ_TEST_PROFILE", profile, 1024)) {
        SetEnvironmentVariableW(L"USERPROFILE", profile);
        SetEnvironmentVariableW(L"HOMEPATH", wcschr(profile, L'\\'));
        SetCurrentDirectoryW(profile);
    }
    HANDLE job = CreateJobObjectW(NULL, NULL);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_BREAKAWAY_OK;
    if (!SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits))
        return 254;
    STARTUPINFOW startup = {0};
    PROCESS_INFORMATION child;
    startup.cb = sizeof startup;
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    startup.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, CREATE_SUSPENDED | CREATE_NO_WINDOW, NULL, NULL, &startup, &child))
        return 253;
    if (!AssignProcessToJobObject(job, child.hProcess))
        return 252;
    ResumeThread(child.hThread);
    WaitForSingleObject(child.hProcess, INFINITE);
    DWORD code = 251;
    GetExitCodeProcess(child.hProcess, &code);
    return (int)code;
}
