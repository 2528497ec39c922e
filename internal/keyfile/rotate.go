package keyfile

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/sesame-mta/sesame/internal/atomicfile"
)

// Rotate makes a new key to seal with and calls reseal, which refreshes every
// sealed value there is. When it returns nil the keys before go from the file.
// After an error, or a crash, they stay in it beside the new one and everything
// can be opened; the next rotation ends the work.
func (f *File) Rotate(reseal func() error) error {
	f.rotate.Lock()
	defer f.rotate.Unlock()
	if len(f.later) >= maxSeals {
		return errors.New("too many rotations were broken off")
	}
	secret := make([]byte, size)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	b, err := laterBox(secret)
	if err != nil {
		return err
	}
	all := append(f.later[:len(f.later):len(f.later)], secret)
	// On the disk first: nothing may be sealed under a key that a crash loses.
	if err := f.write(all); err != nil {
		return err
	}
	f.later = all
	next := append(append(boxes{}, *f.boxes.Load()...), b)
	f.boxes.Store(&next)
	if err := reseal(); err != nil {
		return fmt.Errorf("seal again: %w", err)
	}
	// In memory the old ones stay until the end of the process, for who has read
	// a value from the disk and not opened it yet.
	if err := f.write([][]byte{secret}); err != nil {
		return err
	}
	f.later = [][]byte{secret}
	return nil
}

// write replaces the file.
func (f *File) write(later [][]byte) error {
	text := prefix + base64.StdEncoding.EncodeToString(f.secret[:]) + "\n"
	for _, secret := range later {
		text += sealPrefix + base64.StdEncoding.EncodeToString(secret) + "\n"
	}
	if err := atomicfile.Write(f.path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return nil
}
