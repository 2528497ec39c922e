package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// library is C for the dynamic linker: it stands before the C library's calls that
// put a file on stable storage, counts them in a file that all processes share, and
// waits before each as a slower disk would.
const library = `#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static long *count, delay;
__attribute__((constructor)) static void begin(void) {
	const char *file = getenv("SESAME_BENCH_SYNCS"), *us = getenv("SESAME_BENCH_DELAY");
	int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
	if (us) delay = atol(us) * 1000;
	if (fd >= 0) {
		void *p = mmap(0, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED) count = p;
		close(fd);
	}
}
static int seen(long call, int fd) {
	struct timespec t = {0, delay};
	if (count) __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
	if (delay) nanosleep(&t, 0);
	return syscall(call, fd);
}
int fsync(int fd) { return seen(SYS_fsync, fd); }
int fdatasync(int fd) { return seen(SYS_fdatasync, fd); }
`

// buildLibrary gives the compiled library, or nothing when there is no compiler.
func buildLibrary(dir string) string {
	file := filepath.Join(dir, "syncs.so")
	cmd := exec.Command("cc", "-shared", "-fPIC", "-O2", "-o", file, "-x", "c", "-")
	cmd.Stdin = strings.NewReader(library)
	if cmd.Run() != nil {
		return ""
	}
	return file
}

// watch gives the environment under which a server that is linked dynamically has
// its syncs counted and delayed.
func (s *shared) watch(delay time.Duration) (env []string, syncs func() (int64, error), err error) {
	if s.library == "" {
		if delay > 0 {
			return nil, nil, fmt.Errorf("%w: no C compiler, so its syncs cannot be delayed", errLeftOut)
		}
		return nil, nil, nil
	}
	file := filepath.Join(s.dir, "syncs")
	if err := os.WriteFile(file, make([]byte, 8), 0o666); err != nil {
		return nil, nil, err
	}
	// The mask of the process may have taken away what others need.
	if err := os.Chmod(file, 0o666); err != nil {
		return nil, nil, err
	}
	env = []string{"LD_PRELOAD=" + s.library, "SESAME_BENCH_SYNCS=" + file}
	if delay > 0 {
		env = append(env, "SESAME_BENCH_DELAY="+strconv.FormatInt(delay.Microseconds(), 10))
	}
	return env, func() (int64, error) {
		b, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		return int64(binary.NativeEndian.Uint64(b)), nil
	}, nil
}

// metrics reads the counters that sesame shows.
func metrics(addr string) (map[string]float64, error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			values[name] = v
		}
	}
	return values, lines.Err()
}
