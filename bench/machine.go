package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// machine describes where the figures come from: processors, memory, and the
// file system of the queues.
func machine() string {
	model, cores := "unknown processor", 0
	b, _ := os.ReadFile("/proc/cpuinfo") // the description is then shorter
	for line := range strings.Lines(string(b)) {
		if k, v, _ := strings.Cut(line, ":"); strings.TrimSpace(k) == "model name" {
			model = strings.TrimSpace(v)
			cores++
		}
	}
	memory := "unknown memory"
	b, _ = os.ReadFile("/proc/meminfo") // likewise
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			memory = strings.TrimSpace(v)
		}
	}
	fs := "unknown"
	var st syscall.Statfs_t
	if syscall.Statfs(os.TempDir(), &st) == nil {
		names := map[int64]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x01021994: "tmpfs", 0x794c7630: "overlay"}
		if fs = names[int64(st.Type)]; fs == "" {
			fs = fmt.Sprintf("%#x", st.Type)
		}
	}
	return fmt.Sprintf("%s, %d threads, %s, queues on %s", model, cores, memory, fs)
}

// dataSync gives the median of one sync after writing 4 KB over old ones, in
// milliseconds.
func dataSync(dir string) (float64, error) {
	f, err := os.CreateTemp(dir, "sesame-bench-sync-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	var times []float64
	for i := range 201 {
		page[0] = byte(i)
		started := time.Now()
		if _, err := f.WriteAt(page, 0); err != nil {
			return 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		if i > 0 { // the first makes the file longer
			times = append(times, ms(time.Since(started)))
		}
	}
	return middle(times), nil
}

// bareSignatures gives the milliseconds of CPU of one signature by Go's library, with
// RSA-2048 and Ed25519, while all processors make some, as a server does.
func bareSignatures() (rsaMS, edMS float64, err error) {
	sum := sha256.Sum256([]byte("content"))
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return 0, 0, err
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return 0, 0, err
	}
	if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
		return 0, 0, err
	}
	rsaMS = cpuEach(100, func() {
		_, _ = rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]) // it did before
	})
	edMS = cpuEach(2000, func() { ed25519.Sign(ed, sum[:]) })
	return rsaMS, edMS, nil
}

// cpuEach gives the CPU of one f, in milliseconds, of n on each processor.
func cpuEach(n int, f func()) float64 {
	var wg sync.WaitGroup
	before := ownCPU()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for range n {
				f()
			}
		})
	}
	wg.Wait()
	return (ownCPU() - before).Seconds() * 1000 / float64(n*runtime.GOMAXPROCS(0))
}

// ownCPU is what this process has used, user and system.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it has no way to fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// raiseFiles lets this process and those it starts open as many files as they may.
func raiseFiles() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		l.Cur = l.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) // as it was, then
	}
}
