package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// What is good enough.
const (
	clockSlack  = 5 * time.Second
	certDays    = 14
	syncRounds  = 25
	syncSlow    = 25 * time.Millisecond
	spaceLow    = 1 << 30
	spaceNone   = 100 << 20
	maxDiskTime = 5 * time.Second
)

// clock compares the clock with what the data directory has seen, and asks the
// kernel whether it is kept in time.
func (d *doctor) clock(context.Context) []Finding {
	const name = "clock"
	const do = "set it and keep it in time, with chrony or systemd-timesyncd"
	newest := time.Time{}
	entries, err := os.ReadDir(d.cfg.DataDir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	if ahead := time.Until(newest); err == nil && ahead > clockSlack {
		return []Finding{fail(name, do, "the clock is at least %v behind: the spool was written at %s",
			ahead.Round(time.Second), newest.UTC().Format(time.RFC3339))}
	}
	switch kept, err := clockKept(); {
	case err != nil:
		return []Finding{ok(name, "the clock is not behind the spool; whether it is kept in time cannot be told here: %v", err)}
	case !kept:
		return []Finding{warn(name, do, "nothing keeps the clock in time: DKIM, TLS and events rest on it")}
	}
	return []Finding{ok(name, "the clock is kept in time")}
}

// disk measures what every accepted message waits for, and looks for room.
func (d *doctor) disk(context.Context) []Finding {
	const name = "disk"
	if _, err := os.Stat(d.cfg.DataDir); errors.Is(err, fs.ErrNotExist) {
		return []Finding{warn(name, "start the server once", "%s does not exist yet", d.cfg.DataDir)}
	}
	var out []Finding
	median, err := syncTime(d.cfg.DataDir)
	switch {
	case err != nil:
		out = append(out, fail(name, "run doctor as the user that the server runs as, and see that the disk is mounted read-write",
			"%s cannot be written: %v", d.cfg.DataDir, err))
	case median > syncSlow:
		out = append(out, warn(name, "put data_dir on a disk with a write cache that survives power loss",
			"a sync takes %v: each message waits that long before its 250", median.Round(10*time.Microsecond)))
	default:
		out = append(out, ok(name, "a sync takes %v", median.Round(10*time.Microsecond)))
	}
	v, err := volumeOf(d.cfg.DataDir)
	const room = "make room, or move data_dir to a larger disk"
	switch {
	case err != nil:
		out = append(out, warn(name, room, "the free space cannot be told: %v", err))
	case v.memory:
		out = append(out, fail(name, "put data_dir on a disk", "%s lies in memory: a restart of the machine loses all mail", d.cfg.DataDir))
	case v.free < spaceNone:
		out = append(out, fail(name, room, "%d MB are free: mail is about to be refused", v.free>>20))
	case v.free < spaceLow:
		out = append(out, warn(name, room, "%d MB are free", v.free>>20))
	default:
		out = append(out, ok(name, "%d GB are free", v.free>>30))
	}
	return out
}

// volume is what there is to know of a file system.
type volume struct {
	free   int64
	memory bool
}

// syncTime gives the median time of small writes, each put on stable storage.
func syncTime(dir string) (median time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, 4096)
	var times []time.Duration
	for began := time.Now(); len(times) < syncRounds && time.Since(began) < maxDiskTime; {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := dataSync(f); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// certificate looks at the one that clients are shown.
func (d *doctor) certificate(context.Context) []Finding {
	const name = "certificate"
	certFile, keyFile := d.cfg.TLS.Certificate, d.cfg.TLS.Key
	const get = "get one from an authority that the clients know, and name it in [tls]"
	if certFile == "" {
		certFile, keyFile = selfSignedFiles(filepath.Join(d.cfg.DataDir, "tls"))
		if _, err := os.Stat(certFile); errors.Is(err, fs.ErrNotExist) {
			return []Finding{warn(name, get, "none is configured; a self-signed one is made at the first start")}
		}
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return []Finding{fail(name, "see that both files of [tls] are there, belong together and may be read", "%v", err)}
	}
	leaf := pair.Leaf
	now := time.Now()
	left := leaf.NotAfter.Sub(now)
	renew := "renew it; the server reads the new files by itself"
	switch {
	case now.Before(leaf.NotBefore):
		return []Finding{fail(name, "look at the clock", "not good before %s", leaf.NotBefore.UTC().Format(time.DateOnly))}
	case left <= 0:
		return []Finding{fail(name, renew, "expired on %s", leaf.NotAfter.UTC().Format(time.DateOnly))}
	case leaf.VerifyHostname(d.cfg.Hostname) != nil:
		return []Finding{fail(name, fmt.Sprintf("get one that names %s", d.cfg.Hostname), "it does not name the host: %v", names(leaf))}
	case left < certDays*24*time.Hour:
		return []Finding{warn(name, renew, "expires on %s", leaf.NotAfter.UTC().Format(time.DateOnly))}
	}
	between := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Intermediates: between}); err != nil {
		return []Finding{warn(name, get, "names %s, but clients that check will not take it: %v", d.cfg.Hostname, err)}
	}
	return []Finding{ok(name, "names %s, good until %s", d.cfg.Hostname, leaf.NotAfter.UTC().Format(time.DateOnly))}
}

func names(c *x509.Certificate) []string {
	var list []string
	list = append(list, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	return list
}
