package imports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// nameOf reads the URL of a file: its path below the folder of the account.
func nameOf(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || !strings.EqualFold(u.Scheme, "file") || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", ErrURL
	}
	name := u.Path
	if u.Opaque != "" {
		if name, err = url.PathUnescape(u.Opaque); err != nil {
			return "", ErrURL
		}
	}
	name = strings.TrimPrefix(name, "/")
	if name == "" || path.Clean(name) != name || !filepath.IsLocal(name) {
		return "", ErrURL
	}
	return name, nil
}

// maxBytes bounds a file: so many lines of the greatest length.
const maxBytes = MaxLines * 4096

// open opens the file of an account. Nothing outside of the account's own folder is
// found, whatever links lie there.
func open(dir, accountID, name string) (*os.File, error) {
	root, err := os.OpenRoot(filepath.Join(dir, accountID))
	if err != nil {
		return nil, notThere(err)
	}
	defer root.Close()
	info, err := root.Stat(name) // to open a pipe would wait for who writes
	if err != nil || !info.Mode().IsRegular() {
		return nil, notThere(err)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, notThere(err)
	}
	return f, nil
}

func notThere(err error) error {
	if err == nil {
		err = fs.ErrInvalid
	}
	return fmt.Errorf("%w: %w", ErrFile, err)
}

// fits reports whether a file has no more lines than it may, and goes back to its
// begin.
func fits(f *os.File) (bool, error) {
	buf := make([]byte, 64<<10)
	lines, size, last := 0, 0, byte('\n')
	for {
		n, err := f.Read(buf)
		lines += bytes.Count(buf[:n], []byte{'\n'})
		if n > 0 {
			last = buf[n-1]
		}
		if size += n; size > maxBytes || lines > MaxLines+1 { // one may be a head
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
	}
	if last != '\n' {
		lines++
	}
	_, err := f.Seek(0, io.SeekStart)
	return lines <= MaxLines+1, err
}
