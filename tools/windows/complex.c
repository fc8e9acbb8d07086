/* Functions of complex numbers that Wine 8's C runtime names and does not have, by Windows' calling convention:
   a float pair comes in a register, a double pair by its address. */
#include <stdint.h>

typedef union { uint64_t bits; float part[2]; } float_pair;
typedef struct { double part[2]; } double_pair;

float crealf(float_pair z) { return z.part[0]; }
float cimagf(float_pair z) { return z.part[1]; }
double cimag(const double_pair *z) { return z->part[1]; }
