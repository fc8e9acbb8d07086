/* python.exe: the interpreter's library does all of it. */
#include <wchar.h>

__declspec(dllimport) int Py_Main(int, wchar_t **);

int wmain(int count, wchar_t **arguments)
{
    return Py_Main(count, arguments);
}
