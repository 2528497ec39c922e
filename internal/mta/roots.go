package mta

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// RootsEnv names the environment variable that says where the packages were
// unpacked.
const RootsEnv = "SESAME_COUNTERPARTS"

// DefaultRoots is where .ci/counterparts unpacks the packages when RootsEnv is
// not set.
const DefaultRoots = "/var/cache/sesame-counterparts"

// ErrMissing says that a counterpart is not on this machine, or cannot run
// here. Tests skip on it, and fail on it in CI.
var ErrMissing = errors.New("counterpart missing")

// Roots gives the folder that holds one unpacked root per package.
func Roots() string {
	if dir := os.Getenv(RootsEnv); dir != "" {
		return dir
	}
	return DefaultRoots
}

// root gives the private root of one package, of which file must exist.
func root(name, file string) (string, error) {
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("%w: %s changes its user and needs root", ErrMissing, name)
	}
	dir := filepath.Join(Roots(), name)
	if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
		return "", fmt.Errorf("%w: no %s under %s; run .ci/counterparts", ErrMissing, name, Roots())
	}
	return dir, nil
}

// account gives the numbers of a system user.
func account(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, fmt.Errorf("%w: no user %q; run .ci/counterparts", ErrMissing, name)
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// group gives the number of a system group.
func group(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("%w: no group %q; run .ci/counterparts", ErrMissing, name)
	}
	return strconv.Atoi(g.Gid)
}

// FreePort gives a TCP port of 127.0.0.1 that was free a moment ago. Servers
// that cannot be told to take any port need it.
func FreePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// privateDir makes a folder that servers which drop root can still reach.
func privateDir(name string) (string, error) {
	dir, err := os.MkdirTemp("", "sesame-"+name+"-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// Tail gives the last n lines of a file, for a failure's message. It gives the
// error's text when there is no file.
func Tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
