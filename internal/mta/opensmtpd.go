package mta

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The users of OpenSMTPD's processes, both with a group of that name.
const (
	opensmtpdUser  = "opensmtpd"
	opensmtpdQueue = "opensmtpq"
)

// OpenSMTPD is a running OpenSMTPD. Its folders are compiled into it, so it runs
// in namespaces in which they, and the machine's name, are its own.
type OpenSMTPD struct {
	// Addr is where it listens, as "127.0.0.1:port".
	Addr string
	// Dir holds smtpd.conf, the spool and the log.
	Dir string

	root    string
	process *Process
}

// OpenSMTPDOptions say what one OpenSMTPD does.
type OpenSMTPDOptions struct {
	// Conf is smtpd.conf, in which mail.example.com is 127.0.0.1 and port 25 is
	// one that is free.
	Conf string
	// Files are those that Conf names in /etc/mail; that path is written anew to
	// lie in the private folder.
	Files map[string]string
	// CA is the file with the certificates that it trusts.
	CA string
}

// privateMounts gives the machine the name client.example.com, puts the folders
// and files of $0 where OpenSMTPD looks for its own, then becomes the command
// that follows. /var/run is a link to /run; /etc/mailname is not everywhere.
const privateMounts = `hostname client.example.com || exit
for d in /var/spool /var/lib /run /etc/hosts /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt /etc/mailname; do
	if [ -e $d ]; then mount --bind "$0$d" $d || exit; fi
done
exec "$@"`

// StartOpenSMTPD starts one and returns when it greets. Stop must be called.
func StartOpenSMTPD(ctx context.Context, opt OpenSMTPDOptions) (*OpenSMTPD, error) {
	root, err := root("opensmtpd", "usr/sbin/smtpd")
	if err != nil {
		return nil, err
	}
	if out, err := runOnce(ctx, nil, nil, "unshare", "--uts", "--mount", "true"); err != nil {
		return nil, fmt.Errorf("%w: OpenSMTPD needs namespaces: %s", ErrMissing, out)
	}
	dir, err := privateDir("opensmtpd")
	if err != nil {
		return nil, err
	}
	o := &OpenSMTPD{Dir: dir, root: root}
	if err := o.start(ctx, opt); err != nil {
		log := Tail(o.LogFile(), 20)
		o.Stop()
		return nil, fmt.Errorf("start OpenSMTPD: %w\n%s", err, log)
	}
	return o, nil
}

func (o *OpenSMTPD) start(ctx context.Context, opt OpenSMTPDOptions) error {
	port, err := FreePort()
	if err != nil {
		return err
	}
	o.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := o.makeFiles(strings.ReplaceAll(opt.Conf, "port 25", "port "+strconv.Itoa(port)), opt.Files, opt.CA); err != nil {
		return err
	}
	log, err := os.Create(o.LogFile())
	if err != nil {
		return err
	}
	defer log.Close()
	// -d keeps it in the foreground.
	cmd := exec.Command("unshare", "--uts", "--mount", "sh", "-c", privateMounts, o.Dir,
		filepath.Join(o.root, "usr/sbin/smtpd"), "-d", "-f", filepath.Join(o.Dir, "smtpd.conf"))
	cmd.Stdout, cmd.Stderr = log, log
	if o.process, err = Start(cmd); err != nil {
		return err
	}
	return WaitGreeting(ctx, o.Addr, o.process.Done)
}

func (o *OpenSMTPD) makeFiles(conf string, files map[string]string, ca string) error {
	uid, gid, err := account(opensmtpdUser)
	if err != nil {
		return err
	}
	queueUID, queueGID, err := account(opensmtpdQueue)
	if err != nil {
		return err
	}
	for _, d := range []struct {
		name     string
		uid, gid int
		mode     uint32
	}{
		{"var/spool/smtpd", 0, 0, 0o711},
		{"var/spool/smtpd/offline", 0, queueGID, 0o770},
		{"var/spool/smtpd/purge", queueUID, 0, 0o700},
		{"var/lib/opensmtpd/empty", 0, 0, 0o755},
		{"run", 0, 0, 0o755},
		{"etc/ssl/certs", 0, 0, 0o755},
	} {
		path := filepath.Join(o.Dir, d.name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chown(path, d.uid, d.gid); err != nil {
			return err
		}
		if err := syscall.Chmod(path, d.mode); err != nil {
			return err
		}
	}
	trusted, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	all := map[string]string{
		"smtpd.conf":                        strings.ReplaceAll(conf, "/etc/mail/", o.Dir+"/"),
		"etc/hosts":                         "127.0.0.1 localhost client.example.com mail.example.com\n",
		"etc/mailname":                      "client.example.com\n",
		"etc/resolv.conf":                   "lookup file\n",
		"etc/ssl/certs/ca-certificates.crt": string(trusted),
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(o.Dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for name, text := range files {
		path := filepath.Join(o.Dir, name)
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			return err
		}
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	// Its one control program is sendmail when it is called so.
	return os.Symlink(filepath.Join(o.root, "usr/sbin/smtpctl"), filepath.Join(o.Dir, "sendmail"))
}

// PID is the process id of the parent of all its processes.
func (o *OpenSMTPD) PID() int { return o.process.PID() }

// LogFile holds what it printed.
func (o *OpenSMTPD) LogFile() string { return filepath.Join(o.Dir, "log") }

// Send hands a message over as a local program would. It returns when the
// message is in the queue.
func (o *OpenSMTPD) Send(ctx context.Context, from string, to []string, content []byte) error {
	gid, err := group(opensmtpdQueue) // its package would make the program set-gid
	if err != nil {
		return err
	}
	args := append([]string{"--uts", "--mount", "--target", strconv.Itoa(o.process.PID()), "--setgid", strconv.Itoa(gid),
		filepath.Join(o.Dir, "sendmail"), "-i", "-f", from}, to...)
	if _, err := runOnce(ctx, nil, content, "nsenter", args...); err != nil {
		return fmt.Errorf("%w\n%s", err, Tail(o.LogFile(), 20))
	}
	return nil
}

// Stop ends all its processes and removes its folder. It may be called twice.
func (o *OpenSMTPD) Stop() {
	if o.process != nil {
		o.process.Stop(5 * time.Second)
		o.process = nil
	}
	_ = os.RemoveAll(o.Dir) // left-overs of a test are no failure of it
}
