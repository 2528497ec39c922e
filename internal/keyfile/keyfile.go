package keyfile

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/sesame-mta/sesame/internal/atomicfile"
)

// Name is the name of the key file under the data directory.
const Name = "secret.key"

const (
	prefix     = "sesame-key-1 " // the version of the file's form
	sealPrefix = "seal "         // a later key to seal with
	size       = 32              // octets of a secret
	// maxFile is more than any key file has; the rest of a longer one is not read.
	maxFile = 4096
	// maxSeals bounds the keys to seal with; more than two are there only after
	// rotations that were broken off.
	maxSeals = 16
)

// File is an open key file. The secret of its first line never changes: sub-keys
// are derived from it, and ids of messages must stay true. What is sealed lies
// under it until Rotate adds a line with a key of its own. It is safe for
// concurrent use.
type File struct {
	path   string
	secret [size]byte

	rotate sync.Mutex // one at a time
	later  [][]byte   // the keys of the file's other lines, in order
	boxes  atomic.Pointer[boxes]
}

// Open reads the key file of a data directory and makes it when there is none.
// A file that others than its owner may read or write is refused: who holds it
// can open every sealed secret.
func Open(dir string) (*File, error) {
	path := filepath.Join(dir, Name)
	f, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(dir, path); err != nil {
			return nil, fmt.Errorf("make key file: %w", err)
		}
		f, err = read(path)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func read(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("key file %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("key file %s is open to others than its owner (mode %04o): run chmod 600 on it", path, mode)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	var secrets [][]byte
	for i, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		head := sealPrefix
		if i == 0 {
			head = prefix
		}
		text, ok := bytes.CutPrefix(line, []byte(head))
		secret, err := base64.StdEncoding.DecodeString(string(text))
		if !ok || err != nil || len(secret) != size || i > maxSeals {
			return nil, fmt.Errorf("key file %s is damaged: put back a copy, what is sealed cannot be read without it", path)
		}
		secrets = append(secrets, secret)
	}
	return newFile(path, secrets)
}

func newFile(path string, secrets [][]byte) (*File, error) {
	f := &File{path: path, later: secrets[1:]}
	copy(f.secret[:], secrets[0])
	first, err := newBox(f.Key("seal", size), f.Key("key-id", idSize))
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	all := boxes{first}
	for _, secret := range f.later {
		b, err := laterBox(secret)
		if err != nil {
			return nil, fmt.Errorf("key file: %w", err)
		}
		all = append(all, b)
	}
	f.boxes.Store(&all)
	return f, nil
}

// create writes a new key under a name of its own and links it to its place, so
// that a crash leaves no half file and of two processes only one wins.
func create(dir, path string) error {
	var secret [size]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, Name+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(prefix + base64.StdEncoding.EncodeToString(secret[:]) + "\n")
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return atomicfile.SyncDir(dir)
}

// Key derives a sub-key of n octets for one purpose (HKDF-SHA256, RFC 5869).
// The same purpose always gives the same key, and none tells of another.
func (f *File) Key(purpose string, n int) []byte {
	return derive(f.secret[:], purpose, n)
}

func derive(secret []byte, purpose string, n int) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "sesame "+purpose, n)
	if err != nil {
		panic("keyfile: sub-key of an impossible length: " + err.Error())
	}
	return key
}
