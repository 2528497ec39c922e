package mta

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Exim is an Exim that only sends: each call of Send is one process, which
// delivers before it ends.
type Exim struct {
	// Dir holds exim.conf, the spool and the log.
	Dir string

	root string
}

const eximUser = "Debian-exim"

// eximHead is the main section, with all paths in the private folder.
// local_interfaces names an address that this machine has not, since the server
// to send to listens on loopback, which Exim would take for itself.
const eximHead = `primary_hostname = client.example.com
domainlist local_domains = client.example.com
spool_directory = %[1]s/spool
exim_path = %[2]s/usr/sbin/exim4
log_file_path = %[1]s/log/%%slog
pid_file_path = %[1]s/exim.pid
local_interfaces = 192.0.2.1
host_lookup =
rfc1413_query_timeout = 0s
untrusted_set_sender = *
tls_advertise_hosts =
keep_environment =

`

// NewExim makes one from the sections that a recipe adds to exim.conf. Close
// must be called.
func NewExim(sections ...string) (*Exim, error) {
	root, err := root("exim", "usr/sbin/exim4")
	if err != nil {
		return nil, err
	}
	uid, gid, err := account(eximUser)
	if err != nil {
		return nil, err
	}
	dir, err := privateDir("exim")
	if err != nil {
		return nil, err
	}
	e := &Exim{Dir: dir, root: root}
	if err := e.make(uid, gid, sections); err != nil {
		return nil, errors.Join(fmt.Errorf("set up Exim: %w", err), e.Close())
	}
	return e, nil
}

func (e *Exim) make(uid, gid int, sections []string) error {
	for _, name := range []string{"spool", "log"} {
		path := filepath.Join(e.Dir, name)
		if err := os.Mkdir(path, 0o750); err != nil {
			return err
		}
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(eximHead, e.Dir, e.root) + strings.Join(sections, "\n")
	// Exim reads a file of root's that no one else may write.
	path := filepath.Join(e.Dir, "exim.conf")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		return err
	}
	return os.Chown(path, 0, gid)
}

// Send hands a message over as a local program would, and returns when it was
// delivered to the smart host. The main log is in the error.
func (e *Exim) Send(ctx context.Context, from string, to []string, content []byte) error {
	args := append([]string{"-C", filepath.Join(e.Dir, "exim.conf"), "-odf", "-i", "-f", from}, to...)
	_, err := runOnce(ctx, nil, content, filepath.Join(e.root, "usr/sbin/exim4"), args...)
	log := Tail(filepath.Join(e.Dir, "log", "mainlog"), 20)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, log)
	}
	if !strings.Contains(log, " Completed") {
		return fmt.Errorf("Exim did not complete the delivery\n%s", log)
	}
	return nil
}

// Close removes the private folder.
func (e *Exim) Close() error { return os.RemoveAll(e.Dir) }
