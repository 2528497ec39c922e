package keyfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sesame-mta/sesame/internal/keyfile"
)

func open(t *testing.T, dir string) *keyfile.File {
	t.Helper()
	f, err := keyfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestKeyFileIsMadeOnceAndOnlyForItsOwner(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	info, err := os.Stat(filepath.Join(dir, keyfile.Name))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %04o, want 0600", info.Mode().Perm())
	}
	again := open(t, dir)
	if !bytes.Equal(first.Key("x", 32), again.Key("x", 32)) || first.ID() != again.ID() {
		t.Error("the second open gave another key")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("want the key file alone, got %v, %v", entries, err)
	}
	if other := open(t, t.TempDir()); other.ID() == first.ID() {
		t.Error("two data directories got the same key")
	}
}

func TestProcessesThatStartTogetherAgreeOnTheKey(t *testing.T) {
	dir := t.TempDir()
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			if f, err := keyfile.Open(dir); err == nil {
				ids[i] = f.ID()
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("keys differ: %q", ids)
		}
	}
}

func TestBadKeyFilesAreRefusedInOneLine(t *testing.T) {
	const good = "sesame-key-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
	tests := []struct {
		name string
		data string
		mode os.FileMode
		want string
	}{
		{"readable by the world", good, 0o644, "mode 0644"},
		{"readable by the group", good, 0o640, "mode 0640"},
		{"writable by the group", good, 0o620, "mode 0620"},
		{"empty", "", 0o600, "damaged"},
		{"another version", strings.Replace(good, "-1", "-2", 1), 0o600, "damaged"},
		{"cut short", good[:len(good)-9], 0o600, "damaged"},
		{"too short a key", "sesame-key-1 AAAA\n", 0o600, "damaged"},
		{"no base64", "sesame-key-1 !!!!\n", 0o600, "damaged"},
		{"huge", good + strings.Repeat("A", 1<<20), 0o600, "damaged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, keyfile.Name)
			if err := os.WriteFile(path, []byte(tt.data), tt.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := keyfile.Open(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "AAEC") {
				t.Error("the error shows the key")
			}
		})
	}
	t.Run("a directory", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, keyfile.Name), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := keyfile.Open(dir); err == nil {
			t.Error("a directory was taken for a key file")
		}
	})
	t.Run("good", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, keyfile.Name), []byte(good), 0o600); err != nil {
			t.Fatal(err)
		}
		open(t, dir)
	})
}

func TestSubKeysOfTwoPurposesDiffer(t *testing.T) {
	f := open(t, t.TempDir())
	if bytes.Equal(f.Key("seal", 32), f.Key("message-id", 32)) {
		t.Error("two purposes gave one key")
	}
	if n := len(f.Key("message-id", 16)); n != 16 {
		t.Errorf("got %d octets, want 16", n)
	}
}

func TestASealedValueOpensOnlyInItsPlace(t *testing.T) {
	f := open(t, t.TempDir())
	sealed := f.Seal([]byte("secret"), "credential", "000000000001", "AKIA")
	if bytes.Contains(sealed, []byte("secret")) {
		t.Fatal("the value is in the clear")
	}
	if bytes.Equal(sealed, f.Seal([]byte("secret"), "credential", "000000000001", "AKIA")) {
		t.Error("sealing twice gave the same octets")
	}
	got, err := f.Open(sealed, "credential", "000000000001", "AKIA")
	if err != nil || string(got) != "secret" {
		t.Fatalf("got %q, %v", got, err)
	}
	for _, place := range [][]string{
		{"credential", "000000000002", "AKIA"},
		{"dkim", "000000000001", "AKIA"},
		{"credential", "000000000001", "AKIB"},
		{"credential", "000000000001A", "KIA"},
		{"credential", "000000000001"},
		{},
	} {
		if _, err := f.Open(sealed, place...); !errors.Is(err, keyfile.ErrSealed) {
			t.Errorf("opened in %q: %v", place, err)
		}
	}
}

func TestADamagedValueIsRefused(t *testing.T) {
	f := open(t, t.TempDir())
	sealed := f.Seal([]byte("secret"), "a")
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := f.Open(bad, "a"); err == nil {
			t.Errorf("octet %d changed and nobody noticed", i)
		}
	}
	for n := range sealed {
		if _, err := f.Open(sealed[:n], "a"); err == nil {
			t.Errorf("cut to %d octets and nobody noticed", n)
		}
	}
}

func TestAnotherKeyFileIsNamedAsTheCause(t *testing.T) {
	a, b := open(t, t.TempDir()), open(t, t.TempDir())
	_, err := b.Open(a.Seal([]byte("secret"), "x"), "x")
	if err == nil || !strings.Contains(err.Error(), a.ID()) || !strings.Contains(err.Error(), b.ID()) {
		t.Errorf("got %v, want both key ids", err)
	}
}

func ExampleFile_Seal() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	f, err := keyfile.Open(dir)
	if err != nil {
		panic(err)
	}
	sealed := f.Seal([]byte("open sesame"), "credential", "000000000001", "AKIAEXAMPLE")
	_, err = f.Open(sealed, "credential", "999999999999", "AKIAEXAMPLE")
	fmt.Println(err)
	// Output: sealed value was damaged or belongs elsewhere
}
