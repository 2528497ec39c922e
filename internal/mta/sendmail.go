package mta

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Sendmail is a Sendmail that only sends: each call of Send is one process,
// which delivers before it ends.
type Sendmail struct {
	// Dir holds sendmail.cf, the maps and the queue.
	Dir string

	root string
}

// sendmailHead is what the local part of a sendmail.mc says, with all paths
// moved into the private folder. Host names come from the hosts file alone.
const sendmailHead = "divert(-1)\n" +
	"include(`%[1]s/m4/cf.m4')\n" +
	"divert(0)dnl\n" +
	"VERSIONID(`private')dnl\n" +
	"OSTYPE(`linux')dnl\n" +
	"define(`confDOMAIN_NAME', `client.example.com')dnl\n" +
	"define(`QUEUE_DIR', `%[2]s/mqueue')dnl\n" +
	"define(`MSP_QUEUE_DIR', `%[2]s/mqueue')dnl\n" +
	"define(`STATUS_FILE', `%[2]s/statistics')dnl\n" +
	"define(`confPID_FILE', `%[2]s/sendmail.pid')dnl\n" +
	"define(`ALIAS_FILE', `')dnl\n" +
	"define(`HELP_FILE', `')dnl\n" +
	"define(`confSERVICE_SWITCH_FILE', `%[2]s/service.switch')dnl\n" +
	"define(`confTRUSTED_USER', `root')dnl\n" +
	"define(`confDONT_PROBE_INTERFACES', `True')dnl\n" +
	"define(`confDONT_BLAME_SENDMAIL', `MapInUnsafeDirPath')dnl\n" +
	"define(`confTO_CONNECT', `10s')dnl\n" +
	"define(`confLOG_LEVEL', `0')dnl\n" +
	"FEATURE(`no_default_msa')dnl\n"

// NewSendmail makes one from the lines that a recipe adds to sendmail.mc, and
// the files that it puts into /etc/mail. That path is written anew to lie in the
// private folder; the text is otherwise used as it is. Maps are the names of
// files to run makemap hash on. Close must be called.
func NewSendmail(ctx context.Context, mc string, files map[string]string, maps []string) (*Sendmail, error) {
	root, err := root("sendmail", "usr/libexec/sendmail/sendmail")
	if err != nil {
		return nil, err
	}
	if out, err := runOnce(ctx, nil, nil, "unshare", "--uts", "--mount", "true"); err != nil {
		return nil, fmt.Errorf("%w: Sendmail needs namespaces: %s", ErrMissing, out)
	}
	dir, err := privateDir("sendmail")
	if err != nil {
		return nil, err
	}
	s := &Sendmail{Dir: dir, root: root}
	if err := s.make(ctx, mc, files, maps); err != nil {
		return nil, errors.Join(fmt.Errorf("set up Sendmail: %w", err), s.Close())
	}
	return s, nil
}

func (s *Sendmail) make(ctx context.Context, mc string, files map[string]string, maps []string) error {
	if err := os.Mkdir(filepath.Join(s.Dir, "mqueue"), 0o700); err != nil {
		return err
	}
	cf := filepath.Join(s.root, "usr/share/sendmail/cf")
	all := map[string]string{
		"service.switch": "hosts files\naliases files\n",
		"hosts":          "127.0.0.1 localhost\n127.0.0.1 client.example.com\n127.0.0.1 mail.example.com\n",
		"nsswitch.conf":  "passwd: files\ngroup: files\nhosts: files\nservices: files\n",
		"sendmail.mc": fmt.Sprintf(sendmailHead, cf, s.Dir) +
			strings.ReplaceAll(mc, "/etc/mail/", s.Dir+"/") +
			"MAILER(`local')dnl\nMAILER(`smtp')dnl\n",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, name := range maps {
		path := filepath.Join(s.Dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := runOnce(ctx, nil, text, filepath.Join(s.root, "usr/sbin/makemap"), "-C", "/dev/null", "hash", path); err != nil {
			return err
		}
	}
	text, err := runOnce(ctx, nil, nil, "m4", "-D_CF_DIR_="+cf+"/", filepath.Join(s.Dir, "sendmail.mc"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Dir, "sendmail.cf"), []byte(text), 0o600)
}

// inNamespace gives a machine name with a dot, and a hosts file that knows it,
// to the command that follows.
const inNamespace = `hostname client.example.com &&
mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf && exec "$@"`

// Send hands a message over as a local program would, and returns when it was
// delivered to the smart host. Its output, with the dialogue, is in the error.
//
// Sendmail sleeps for a minute at its start when the machine's name has no dot,
// and takes a smart host named by a loopback address for itself. So it runs in
// namespaces of its own, in which mail.example.com is 127.0.0.1.
func (s *Sendmail) Send(ctx context.Context, from string, to []string, content []byte) error {
	args := append([]string{"--uts", "--mount", "sh", "-c", inNamespace, s.Dir,
		filepath.Join(s.root, "usr/libexec/sendmail/sendmail"),
		"-C", filepath.Join(s.Dir, "sendmail.cf"), "-Am", "-odi", "-v", "-i", "-f", from}, to...)
	out, err := runOnce(ctx, nil, content, "unshare", args...)
	if err != nil {
		return err
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir, "mqueue", "qf*")); err != nil || len(left) > 0 {
		return fmt.Errorf("kept in Sendmail's queue: %s", out)
	}
	return nil
}

// Close removes the private folder.
func (s *Sendmail) Close() error { return os.RemoveAll(s.Dir) }
