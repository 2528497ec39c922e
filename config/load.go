package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// MaxFile is the largest file that is read, in octets.
const MaxFile = 1 << 20

// Load reads and checks a file. What is wrong with its content is given as
// Errors, all of it at once; any other error says why it could not be read.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("read configuration: %s is larger than %d octets", path, MaxFile)
	}
	l := &loader{file: path, public: info.Mode().Perm()&0o004 != 0}
	return l.load(text)
}

// Parse reads and checks a text as if it were the content of the file at path,
// which need not exist.
func Parse(path string, text []byte) (*Config, error) {
	return (&loader{file: path}).load(text)
}

// loader turns a text into a Config and gathers what is wrong with it.
type loader struct {
	file   string
	public bool // everyone may read the file
	at     map[string]position
	given  map[string]bool // the keys that are in the file
	c      *Config
	errs   Errors
}

func (l *loader) load(text []byte) (*Config, error) {
	var tree map[string]any
	if err := toml.Unmarshal(text, &tree); err != nil {
		return nil, Errors{l.syntax(err)}
	}
	l.at, l.given = locate(text), make(map[string]bool)
	l.c = Default("")
	// The profile first: it decides other keys' defaults.
	if tree["profile"] == ProfileSES {
		l.c = Strict("")
	}
	l.table("", tree, l.c)
	l.sources(tree["source"])
	l.paths()
	l.check()
	if len(l.errs) > 0 {
		l.errs.sort()
		return nil, l.errs
	}
	return l.c, nil
}

// syntax turns what the TOML library says into an Error.
func (l *loader) syntax(err error) *Error {
	e := &Error{File: l.file, Line: 1, Column: 1, Message: strings.TrimPrefix(err.Error(), "toml: ")}
	var de *toml.DecodeError
	if errors.As(err, &de) {
		e.Line, e.Column = de.Position()
	}
	return e
}

// fail notes that something is wrong with a key.
func (l *loader) fail(key, format string, args ...any) {
	p, ok := l.at[key]
	for k := key; !ok && k != ""; p, ok = l.at[k] {
		// What is not in the file is wrong where its table begins.
		k = k[:max(strings.LastIndexAny(k, ".["), 0)]
	}
	if !ok {
		p = position{1, 1}
	}
	l.errs = append(l.errs, &Error{
		File: l.file, Line: p.line, Column: p.column, Key: key, Message: fmt.Sprintf(format, args...),
	})
}

// paths makes the paths absolute: a relative one begins where the file is.
func (l *loader) paths() {
	dir, err := filepath.Abs(filepath.Dir(l.file))
	if err != nil {
		dir = filepath.Dir(l.file)
	}
	c := l.c
	for _, p := range []*string{
		&c.DataDir, &c.Listen.Admin, &c.TLS.Certificate, &c.TLS.Key, &c.Delivery.SmarthostPasswordFile, &c.Events.FileDir, &c.API.ImportDir,
	} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}

// Password gives the smarthost's password, from the file where one is named.
func (d *Delivery) Password() (string, error) {
	if d.SmarthostPasswordFile == "" {
		return d.SmarthostPassword, nil
	}
	f, err := os.Open(d.SmarthostPasswordFile)
	if err != nil {
		return "", fmt.Errorf("read smarthost_password_file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read smarthost_password_file: %w", err)
	}
	if info.Mode().Perm()&0o004 != 0 {
		return "", fmt.Errorf("read smarthost_password_file: everyone may read %s: take that right away (chmod o-r)", d.SmarthostPasswordFile)
	}
	text, err := io.ReadAll(io.LimitReader(f, 4097))
	if err != nil {
		return "", fmt.Errorf("read smarthost_password_file: %w", err)
	}
	if len(text) > 4096 {
		return "", fmt.Errorf("read smarthost_password_file: %s is larger than 4096 octets", d.SmarthostPasswordFile)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
