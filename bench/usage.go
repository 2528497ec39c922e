package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is what a process and all its descendants have used so far, those that
// ended and were waited for included.
type usage struct {
	cpu     time.Duration // user and system
	written int64         // octets sent to storage
	rss     int64         // octets in memory now
}

func (u usage) sub(v usage) usage {
	return usage{cpu: u.cpu - v.cpu, written: u.written - v.written, rss: u.rss}
}

// clockTick is USER_HZ, which Linux fixes at 100 for /proc on every platform
// that Go runs on.
const clockTick = 10 * time.Millisecond

// treeUsage reads /proc, which Linux alone has, for pid and its descendants.
func treeUsage(pid int) (usage, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return usage{}, err
	}
	type process struct {
		parent int
		cpu    time.Duration
		rss    int64
	}
	procs := map[int]process{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		// The name stands in brackets and may hold anything: start after it. The
		// first field then is number 3 of proc(5).
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) < 22 {
			continue
		}
		var n [22]int64
		for i := range n {
			n[i], _ = strconv.ParseInt(f[i], 10, 64) // state is a letter
		}
		procs[id] = process{
			parent: int(n[1]),
			cpu:    time.Duration(n[11]+n[12]+n[13]+n[14]) * clockTick, // utime, stime, cutime, cstime
			rss:    n[21] * int64(os.Getpagesize()),
		}
	}
	if _, ok := procs[pid]; !ok {
		return usage{}, fmt.Errorf("process %d is not in /proc", pid)
	}
	var u usage
	for id, p := range procs {
		for at := id; at > 1; at = procs[at].parent {
			if at == pid {
				u.cpu += p.cpu
				u.rss += p.rss
				u.written += written(id)
				break
			}
		}
	}
	return u, nil
}

// written reads write_bytes of one process, or 0 when it has ended.
func written(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64) // the kernel wrote it
			return n
		}
	}
	return 0
}
