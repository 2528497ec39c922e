package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
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

// signatures gives the milliseconds of one signature with RSA-2048 and Ed25519.
func signatures() (rsaMS, edMS float64) {
	sum := sha256.Sum256([]byte("content"))
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return 0, 0
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return 0, 0
	}
	var times, edTimes []float64
	for range 101 {
		started := time.Now()
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
			return 0, 0
		}
		times = append(times, ms(time.Since(started)))
		started = time.Now()
		for range 10 {
			ed25519.Sign(ed, sum[:])
		}
		edTimes = append(edTimes, ms(time.Since(started))/10)
	}
	return middle(times), middle(edTimes)
}

// raiseFiles lets this process and those it starts open as many files as they may.
func raiseFiles() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		l.Cur = l.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) // as it was, then
	}
}
