package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what a process and all its descendants have used so far, those that
// ended and were waited for included.
type usage struct {
	cpu     time.Duration // user and system
	written int64         // octets sent to storage; with a meter, by all on its disk
	rss     int64         // octets in memory now
	peak    int64         // the most at any time, of those that are there now
}

func (u usage) sub(v usage) usage {
	return usage{cpu: u.cpu - v.cpu, written: u.written - v.written, rss: u.rss, peak: u.peak}
}

// clockTick is USER_HZ, which Linux fixes at 100 for /proc on every platform
// that Go runs on.
const clockTick = 10 * time.Millisecond

// treeUsage reads /proc, which Linux alone has, for processes and their descendants.
func treeUsage(pids ...int) (usage, error) {
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
	for _, pid := range pids {
		if _, ok := procs[pid]; !ok {
			return usage{}, fmt.Errorf("process %d is not in /proc", pid)
		}
	}
	var u usage
	for id, p := range procs {
		for at := id; at > 1; at = procs[at].parent {
			if slices.Contains(pids, at) {
				u.cpu += p.cpu
				u.rss += p.rss
				u.written += procValue(id, "io", "write_bytes:")
				u.peak += procValue(id, "status", "VmHWM:") << 10
				break
			}
		}
	}
	return u, nil
}

// procValue reads a number of one process, or 0 when it has ended.
func procValue(pid int, file, name string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64) // the kernel wrote it
			return n
		}
	}
	return 0
}

// meter reads what a server has used. Where the kernel counts the time of control
// groups it asks there, since some servers have processes that nobody waits for.
type meter struct {
	pids  []int
	group string // empty without one
	disk  string // where the kernel counts for the disk of the queues; empty without one
}

// cpuGroups is where Linux counts the time of groups (version 1).
const cpuGroups = "/sys/fs/cgroup/cpuacct"

func newMeter(pids []int) *meter {
	m := &meter{pids: pids, disk: diskOf(os.TempDir())}
	dir, err := os.MkdirTemp(cpuGroups, "sesame-bench-")
	if err != nil {
		return m
	}
	m.group = dir
	procs, _ := filepath.Glob("/proc/[0-9]*") // a constant pattern
	parents := map[int]int{}
	for _, path := range procs {
		if id, err := strconv.Atoi(filepath.Base(path)); err == nil {
			parents[id] = int(procValue(id, "status", "PPid:"))
		}
	}
	for id := range parents {
		for at := id; at > 1; at = parents[at] {
			if !slices.Contains(pids, at) {
				continue
			}
			if os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(id)), 0o644) != nil && procValue(id, "status", "PPid:") > 0 {
				m.close()
				return m
			}
			break
		}
	}
	return m
}

func (m *meter) read() (usage, error) {
	u, err := treeUsage(m.pids...)
	if err == nil && m.group != "" {
		err = m.readGroup(&u)
	}
	if err == nil && m.disk != "" {
		err = m.readDisk(&u)
	}
	return u, err
}

func (m *meter) readGroup(u *usage) error {
	b, err := os.ReadFile(filepath.Join(m.group, "cpuacct.usage"))
	if err != nil {
		return err
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	u.cpu = time.Duration(ns)
	return err
}

// readDisk replaces what processes are said to have written by what the disk wrote:
// the kernel counts a short write into a large folio of its cache as all of that.
func (m *meter) readDisk(u *usage) error {
	unix.Sync() // what is not there yet belongs to what was done so far
	b, err := os.ReadFile(m.disk)
	if err != nil {
		return err
	}
	const sectorsWritten, sector = 6, 512 // Documentation/block/stat.rst
	f := strings.Fields(string(b))
	if len(f) <= sectorsWritten {
		return fmt.Errorf("%s has %d fields", m.disk, len(f))
	}
	n, err := strconv.ParseInt(f[sectorsWritten], 10, 64)
	u.written = n * sector
	return err
}

// diskOf gives where the kernel counts for the disk of a directory; empty when that
// is on none of its own.
func diskOf(dir string) string {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return ""
	}
	path := fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(st.Dev), unix.Minor(st.Dev))
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// close removes the group, once the server has ended.
func (m *meter) close() {
	if m.group == "" {
		return
	}
	for range 50 {
		if os.Remove(m.group) == nil {
			break
		}
		time.Sleep(20 * time.Millisecond) // until the kernel has forgotten the last process
	}
	m.group = ""
}
