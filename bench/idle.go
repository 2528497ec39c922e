package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// idleResult is what a server costs that has nothing to do.
type idleResult struct {
	RSS int64 `json:"rss_bytes"`
	// WakeUps a second, of all threads, and CPU as a share of one core.
	WakeUps float64 `json:"wake_ups_per_second"`
	CPU     float64 `json:"cpu_share"`
	// The same with so many idle connections under TLS.
	Connections int     `json:"connections"`
	WithRSS     int64   `json:"with_connections_rss_bytes"`
	WithPeak    int64   `json:"with_connections_rss_peak_bytes"`
	WithWakeUps float64 `json:"with_connections_wake_ups_per_second"`
	Seconds     float64 `json:"seconds_to_connect"`
}

// What idling may cost.
const (
	maxIdleRSS     = 40 << 20
	maxIdleTLS     = 500 << 20
	maxIdleWakeUps = 10
)

// runIdle watches a server without work, then with idle connections under TLS, of
// clients that have said who they are.
func runIdle(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("idle", flag.ContinueOnError)
	binary := f.String("sesame", "bin/sesame", "the program to measure")
	watch := f.Duration("watch", 10*time.Second, "how long to watch")
	var out idleResult
	f.IntVar(&out.Connections, "connections", 10_000, "idle connections")
	file := f.String("json", "", "file to put the figures into")
	if err := f.Parse(args); err != nil {
		return err
	}
	res, err := openResults(*file)
	if err != nil {
		return err
	}
	fmt.Println("machine:", res.Machine)
	c, err := enter(ctx, "idle", *binary, "")
	if err != nil {
		return err
	}
	defer c.leave()
	pid := c.process.PID()
	pause(ctx, 10*time.Second) // what the start left to do
	used, rate, err := still(ctx, pid, *watch)
	if err != nil {
		return err
	}
	out.RSS, out.WakeUps, out.CPU = used.rss, rate, used.cpu.Seconds()/watch.Seconds()

	started := time.Now()
	conns, err := crowd(ctx, c.addr, out.Connections)
	defer func() {
		for _, conn := range conns {
			_ = conn.Close() // it said nothing
		}
	}()
	if err != nil {
		return err
	}
	out.Seconds = time.Since(started).Seconds()
	pause(ctx, 10*time.Second)
	if used, rate, err = still(ctx, pid, *watch); err != nil {
		return err
	}
	out.WithRSS, out.WithPeak, out.WithWakeUps = used.rss, used.peak, rate
	if err := res.put("idle", out); err != nil {
		return err
	}
	if out.RSS > maxIdleRSS || out.WithPeak > maxIdleTLS || out.WakeUps > maxIdleWakeUps {
		return errors.New("idling costs more than 40 MB, 500 MB with the connections, or ten wake-ups a second")
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// still watches a process: what it used meanwhile, and its wake-ups a second.
func still(ctx context.Context, pid int, d time.Duration) (usage, float64, error) {
	before, err := treeUsage(pid)
	if err != nil {
		return usage{}, 0, err
	}
	n := wakeUps(pid)
	pause(ctx, d)
	after, err := treeUsage(pid)
	return after.sub(before), float64(wakeUps(pid)-n) / d.Seconds(), err
}

// wakeUps counts how often the threads of a process waited of their own accord.
func wakeUps(pid int) (n int64) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid)) // a constant pattern
	for _, task := range tasks {
		id, err := strconv.Atoi(filepath.Base(task))
		if err == nil {
			n += procValue(pid, "task/"+strconv.Itoa(id)+"/status", "voluntary_ctxt_switches:")
		}
	}
	return n
}

// crowd makes n connections under TLS that have got as far as EHLO, which a client
// in a trusted network needs no more than.
func crowd(ctx context.Context, addr string, n int) ([]net.Conn, error) {
	var mu sync.Mutex
	var conns []net.Conn
	const makers = 8
	errs := make([]error, makers)
	var wg sync.WaitGroup
	for i := range makers {
		wg.Go(func() {
			for range n/makers + max(0, min(1, n%makers-i)) {
				conn, err := greet(ctx, addr)
				if err != nil {
					errs[i] = err
					return
				}
				mu.Lock()
				conns = append(conns, conn)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return conns, errors.Join(errs...)
}

func greet(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 20 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return conn, err
	}
	r := bufio.NewReaderSize(conn, 512)
	for _, say := range []string{"", "EHLO client.example.com\r\n", "STARTTLS\r\n", "EHLO client.example.com\r\n"} {
		if _, err := conn.Write([]byte(say)); err != nil {
			return conn, err
		}
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return conn, err
			}
			if len(line) < 4 || line[0] != '2' {
				return conn, fmt.Errorf("reply %q", line)
			}
			if line[3] != '-' {
				break
			}
		}
		if strings.HasPrefix(say, "STARTTLS") {
			secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
			conn, r = secured, bufio.NewReaderSize(secured, 512)
		}
	}
	return conn, nil
}
