package keyfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/internal/keyfile"
)

func TestARotationKeepsSubKeysAndOpensWhatWasSealed(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	id, sub := f.ID(), f.Key("message-id", 32)
	old := f.Seal([]byte("secret"), "a", "b")
	var fresh []byte
	err := f.Rotate(func() error {
		var changed bool
		var err error
		if fresh, changed, err = f.Refresh(old, "a", "b"); err != nil || !changed {
			t.Errorf("refresh: %v, %v", changed, err)
		}
		if again, changed, err := f.Refresh(fresh, "a", "b"); err != nil || changed || !bytes.Equal(again, fresh) {
			t.Errorf("a second refresh: %v, %v", changed, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if f.ID() == id {
		t.Error("the key has the same name")
	}
	for _, f := range []*keyfile.File{f, open(t, dir)} {
		if !bytes.Equal(f.Key("message-id", 32), sub) {
			t.Error("a sub-key changed: ids of messages are no longer known")
		}
		if plain, err := f.Open(fresh, "a", "b"); err != nil || string(plain) != "secret" {
			t.Errorf("%q, %v", plain, err)
		}
		if _, err := f.Open(fresh, "a", "c"); !errors.Is(err, keyfile.ErrSealed) {
			t.Errorf("another place opens it: %v", err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, keyfile.Name))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestARotationThatIsBrokenOffLosesNothing(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	values := [][]byte{f.Seal([]byte("0"))}
	broken := errors.New("power cut")
	for i := range 3 {
		err := f.Rotate(func() error {
			values = append(values, f.Seal([]byte{byte('1' + i)}))
			return broken
		})
		if !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
		f = open(t, dir) // as after a crash
		for n, v := range values {
			if plain, err := f.Open(v); err != nil || string(plain) != string(rune('0'+n)) {
				t.Errorf("after %d: value %d is %q, %v", i, n, plain, err)
			}
		}
	}
	err := f.Rotate(func() error {
		for i, v := range values {
			var err error
			if values[i], _, err = f.Refresh(v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, keyfile.Name))
	if err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("the file has other keys than the first and the last: %d lines, %v", strings.Count(string(text), "\n"), err)
	}
	f = open(t, dir)
	for n, v := range values {
		if plain, err := f.Open(v); err != nil || string(plain) != string(rune('0'+n)) {
			t.Errorf("value %d is %q, %v", n, plain, err)
		}
	}
}

func TestADamagedLaterKeyIsRefused(t *testing.T) {
	for _, line := range []string{"seal", "seal AAAA\n", "later AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "\n\nx"} {
		dir := t.TempDir()
		open(t, dir)
		path := filepath.Join(dir, keyfile.Name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, line...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keyfile.Open(dir); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q: %v", line, err)
		}
	}
}
