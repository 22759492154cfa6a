/* A stand-in for NVIDIA's management library: two GPUs that draw 500 W each. The plain power lags behind at 300 W, as the
   average of a real one does. The energy counter grows by COUNTED_W watts. After LOOKS_WELL calls the process is killed, or hangs
   where HANGS is defined, as with a GPU that has fallen off the bus. */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, POWER_INSTANT = 186, UNSIGNED_INT = 1 };

typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory;
typedef struct {
  unsigned field, scope;
  long long at, latency;
  int type, result;
  union { double d; unsigned u; unsigned long ul; unsigned long long ull; } value;
} field;

static char gpus[2];

int nvmlInit_v2(void) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) {
  strncpy(text, "570.86.15", size);
  return SUCCESS;
}
int nvmlDeviceGetCount_v2(unsigned *count) {
  *count = 2;
  return SUCCESS;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
  *device = &gpus[index];
  return SUCCESS;
}
int nvmlDeviceGetName(void *device, char *text, unsigned size) {
  (void)device;
  strncpy(text, "NVIDIA H100 80GB HBM3", size);
  return SUCCESS;
}
int nvmlDeviceGetUtilizationRates(void *device, utilization *rates) {
  (void)device;
  rates->gpu = 90;
  rates->memory = 40;
  return SUCCESS;
}
int nvmlDeviceGetMemoryInfo_v2(void *device, memory *info) {
  (void)device;
  info->used = 1000ull << 20;
  return SUCCESS;
}
int nvmlDeviceGetClockInfo(void *device, int kind, unsigned *clock) {
  (void)device;
  *clock = kind == 1 ? 1700 : 2600;
  return SUCCESS;
}
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *temperature) {
  (void)device;
  (void)sensor;
  *temperature = 60;
  return SUCCESS;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons) {
  (void)device;
  *reasons = 4;
  return SUCCESS;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
  (void)device;
  *milliwatts = 300000;
  return SUCCESS;
}
int nvmlDeviceGetFieldValues(void *device, int count, field *values) {
  (void)device;
#ifdef LOOKS_WELL
  static int calls;
  if (calls++ >= LOOKS_WELL) {
#ifdef HANGS
    for (;;) pause();
#endif
    raise(SIGKILL);
  }
#endif
  for (int at = 0; at < count; at++) {
    values[at].type = UNSIGNED_INT;
    values[at].result = values[at].field == POWER_INSTANT ? SUCCESS : NOT_SUPPORTED;
    values[at].value.u = 500000;
  }
  return SUCCESS;
}
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules) {
  (void)device;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  double seconds = (double)(now.tv_sec % 1000000) + now.tv_nsec / 1e9;
  *millijoules = (unsigned long long)(seconds * COUNTED_W * 1e3);
  return SUCCESS;
}
