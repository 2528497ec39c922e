package mta

import (
	"bytes"
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

// The user and the group that Postfix's own processes run as.
const (
	postfixUser  = "postfix"
	postfixGroup = "postdrop"
)

// PostfixOptions say how one Postfix differs from the plain one, which listens
// on a free port of 127.0.0.1, relays for 127.0.0.0/8 and has no local users.
type PostfixOptions struct {
	// Hostname is myhostname; mx.example.net when empty.
	Hostname string
	// Main holds lines for the end of main.cf. They win over the plain ones.
	Main string
	// Files are put beside main.cf before the start, by name. A name that ends in
	// .db has no file of its own: postmap makes it from the one without.
	Files map[string]string
	// Postmap lists the names in Files to run postmap hash: on.
	Postmap []string
	// Quiet leaves the log unwritten, as on a machine without syslogd. It is the
	// fastest that Postfix can be, and nothing can be learnt from it.
	Quiet bool
	// Env is "NAME=value" for all its processes.
	Env []string
}

// Postfix is a running Postfix with a queue, a configuration and a log of its own.
type Postfix struct {
	// Addr is where it listens, as "127.0.0.1:port".
	Addr string
	// Dir holds etc/main.cf, spool, data and log.
	Dir string

	root    string
	env     []string
	process *Process
}

// StartPostfix starts one and returns when it greets. Stop must be called.
func StartPostfix(ctx context.Context, o PostfixOptions) (*Postfix, error) {
	root, err := root("postfix", "usr/lib/postfix/sbin/master")
	if err != nil {
		return nil, err
	}
	dir, err := privateDir("postfix")
	if err != nil {
		return nil, err
	}
	p := &Postfix{Dir: dir, root: root, env: o.Env}
	if err := p.start(ctx, o); err != nil {
		log := Tail(p.LogFile(), 20)
		p.Stop()
		return nil, fmt.Errorf("start Postfix: %w\n%s", err, log)
	}
	return p, nil
}

func (p *Postfix) start(ctx context.Context, o PostfixOptions) error {
	port, err := FreePort()
	if err != nil {
		return err
	}
	p.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := p.makeDirs(); err != nil {
		return err
	}
	if err := p.writeConfig(o); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(p.Dir, "master.out"))
	if err != nil {
		return err
	}
	defer out.Close()
	// -d keeps master in the foreground.
	cmd := exec.Command(filepath.Join(p.root, "usr/lib/postfix/sbin/master"), "-d", "-c", p.ConfigDir())
	cmd.Env = p.environ()
	cmd.Stdout, cmd.Stderr = out, out
	if p.process, err = Start(cmd); err != nil {
		return err
	}
	return WaitGreeting(ctx, p.Addr, p.process.Done)
}

// makeDirs makes what postfix-script would make at the first start, with the
// owners and modes of Debian's postfix-files.
func (p *Postfix) makeDirs() error {
	uid, _, err := account(postfixUser)
	if err != nil {
		return err
	}
	drop, err := group(postfixGroup)
	if err != nil {
		return err
	}
	dirs := []struct {
		name     string
		uid, gid int
		mode     os.FileMode
	}{
		{"etc", 0, 0, 0o755},
		{"log", 0, 0, 0o755},
		{"data", uid, 0, 0o700},
		{"mail", 65534, 65534, 0o755}, // nobody and nogroup
		{"spool", 0, 0, 0o755},
		{"spool/pid", 0, 0, 0o755},
		{"spool/maildrop", uid, drop, 0o1730},
		{"spool/public", uid, drop, 0o2710},
	}
	for _, name := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"} {
		dirs = append(dirs, struct {
			name     string
			uid, gid int
			mode     os.FileMode
		}{"spool/" + name, uid, 0, 0o700})
	}
	for _, d := range dirs {
		path := filepath.Join(p.Dir, d.name)
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		if err := os.Chown(path, d.uid, d.gid); err != nil {
			return err
		}
		// os.FileMode has its own bits for sticky and set-gid: use the system's.
		if err := syscall.Chmod(path, uint32(d.mode)); err != nil {
			return err
		}
	}
	return nil
}

func (p *Postfix) writeConfig(o PostfixOptions) error {
	host := o.Hostname
	if host == "" {
		host = "mx.example.net"
	}
	lib := filepath.Join(p.root, "usr/lib/postfix")
	names := ""
	for _, v := range p.env {
		name, _, _ := strings.Cut(v, "=")
		names += " " + name
	}
	main := []string{
		"compatibility_level = 3.6",
		"queue_directory = " + filepath.Join(p.Dir, "spool"),
		"data_directory = " + filepath.Join(p.Dir, "data"),
		"command_directory = " + filepath.Join(p.root, "usr/sbin"),
		"daemon_directory = " + filepath.Join(lib, "sbin"),
		"meta_directory = " + p.ConfigDir(),
		"shlib_directory = " + lib,
		"import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH" + names,
		"export_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH" + names,
		"mail_owner = " + postfixUser,
		"setgid_group = " + postfixGroup,
		"myhostname = " + host,
		"mydestination =",
		"mynetworks = 127.0.0.0/8",
		"inet_interfaces = 127.0.0.1",
		"inet_protocols = ipv4",
		"alias_maps =",
		"alias_database =",
		"smtpd_relay_restrictions = permit_mynetworks, reject",
		"smtpd_peername_lookup = no",
		"biff = no",
		"append_dot_mydomain = no",
		"message_size_limit = 50000000",
	}
	master := []string{
		p.Addr + " inet n - n - - smtpd",
		"pickup unix n - n 60 1 pickup",
		"cleanup unix n - n - 0 cleanup",
		"qmgr unix n - n 300 1 qmgr",
		"tlsmgr unix - - n 1000? 1 tlsmgr",
		"tlsproxy unix - - n - 0 tlsproxy",
		"rewrite unix - - n - - trivial-rewrite",
		"bounce unix - - n - 0 bounce",
		"defer unix - - n - 0 bounce",
		"trace unix - - n - 0 bounce",
		"verify unix - - n - 1 verify",
		"flush unix n - n 1000? 0 flush",
		"proxymap unix - - n - - proxymap",
		"proxywrite unix - - n - 1 proxymap",
		"smtp unix - - n - - smtp",
		"relay unix - - n - - smtp",
		"showq unix n - n - - showq",
		"error unix - - n - - error",
		"retry unix - - n - - error",
		"discard unix - - n - - discard",
		"local unix - n n - - local",
		"virtual unix - n n - - virtual",
		"lmtp unix - - n - - lmtp",
		"anvil unix - - n - 1 anvil",
		"scache unix - - n - 1 scache",
	}
	if !o.Quiet {
		main = append(main,
			"maillog_file = "+p.LogFile(),
			"maillog_file_prefixes = "+p.Dir)
		master = append(master, "postlog unix-dgram n - n - 1 postlogd")
	}
	main = append(main, o.Main)
	for name, text := range o.Files {
		if err := os.WriteFile(filepath.Join(p.ConfigDir(), name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for name, lines := range map[string][]string{"main.cf": main, "master.cf": master} {
		text := strings.Join(lines, "\n") + "\n"
		if err := os.WriteFile(filepath.Join(p.ConfigDir(), name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, name := range o.Postmap {
		if err := p.Run(context.Background(), nil, "postmap", "hash:"+filepath.Join(p.ConfigDir(), name)); err != nil {
			return err
		}
	}
	return nil
}

// ConfigDir is the folder of main.cf.
func (p *Postfix) ConfigDir() string { return filepath.Join(p.Dir, "etc") }

// LogFile is the mail log. It does not exist when Options.Quiet was set.
func (p *Postfix) LogFile() string { return filepath.Join(p.Dir, "log", "mail.log") }

// PID is the process id of master, the parent of all its processes.
func (p *Postfix) PID() int { return p.process.PID() }

func (p *Postfix) environ() []string {
	return append([]string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"MAIL_CONFIG=" + p.ConfigDir(),
		"LD_LIBRARY_PATH=" + filepath.Join(p.root, "usr/lib/postfix"),
	}, p.env...)
}

// Run runs one of Postfix's commands (sendmail, postmap, postqueue) with the
// configuration of p, within 20 seconds.
func (p *Postfix) Run(ctx context.Context, stdin []byte, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.root, "usr/sbin", name), args...)
	cmd.Env = p.environ()
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// Stop ends all processes of p and removes its folder. It may be called twice.
func (p *Postfix) Stop() {
	if p.process != nil {
		p.process.Stop(5 * time.Second)
		p.process = nil
	}
	_ = os.RemoveAll(p.Dir) // left-overs of a test are no failure of it
}
