package mta

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// OpenDKIM is Debian's opendkim, a milter that signs.
type OpenDKIM struct {
	// Milter is where it listens, as Postfix names it.
	Milter string

	dir     string
	process *Process
}

// StartOpenDKIM starts one that signs mail from domain under the selector s1 with
// a key in PEM, and returns when it listens. Algorithm is rsa-sha256 or
// ed25519-sha256. Stop must be called.
func StartOpenDKIM(ctx context.Context, domain, algorithm, key string) (*OpenDKIM, error) {
	root, err := root("opendkim", "usr/sbin/opendkim")
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := privateDir("opendkim")
	if err != nil {
		return nil, err
	}
	d := &OpenDKIM{dir: dir, Milter: fmt.Sprintf("inet:127.0.0.1:%d", port)}
	if err := d.start(ctx, root, port, domain, algorithm, key); err != nil {
		log := Tail(filepath.Join(dir, "log"), 20)
		d.Stop()
		return nil, fmt.Errorf("start opendkim: %w\n%s", err, log)
	}
	return d, nil
}

func (d *OpenDKIM) start(ctx context.Context, root string, port int, domain, algorithm, key string) error {
	file, conf := filepath.Join(d.dir, "key.pem"), filepath.Join(d.dir, "opendkim.conf")
	text := fmt.Sprintf("Mode s\nDomain %s\nSelector s1\nKeyFile %s\nSignatureAlgorithm %s\n"+
		"Canonicalization relaxed/relaxed\nSocket inet:%d@127.0.0.1\nSyslog no\nInternalHosts 127.0.0.1\nRequireSafeKeys no\n", domain, file, algorithm, port)
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err := errors.Join(err, os.WriteFile(file, []byte(key), 0o600), os.WriteFile(conf, []byte(text), 0o644)); err != nil {
		return err
	}
	defer log.Close()
	libraries, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	if err != nil {
		return err
	}
	libraries = append(libraries, filepath.Join(root, "usr/lib"))
	// -f keeps it in the foreground.
	cmd := exec.Command(filepath.Join(root, "usr/sbin/opendkim"), "-f", "-x", conf)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	cmd.Stdout, cmd.Stderr = log, log
	if d.process, err = Start(cmd); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-d.process.Done:
			return errors.New("it ended before it listened")
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// PID is its process id.
func (d *OpenDKIM) PID() int { return d.process.PID() }

// Stop ends it and removes its folder.
func (d *OpenDKIM) Stop() {
	if d.process != nil {
		d.process.Stop(5 * time.Second)
	}
	_ = os.RemoveAll(d.dir) // a left-over is no failure
}
