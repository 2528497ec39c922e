package atomicfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sesame-mta/sesame/internal/atomicfile"
)

func ExampleWrite() {
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "key")
	fmt.Println(atomicfile.Write(path, []byte("secret"), 0o600))
	data, _ := os.ReadFile(path)
	fmt.Printf("%s\n", data)
	// Output:
	// <nil>
	// secret
}

func TestWriteReplacesTheWholeFileAndLeavesNothingElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"a long first text", "short", ""} {
		if err := atomicfile.Write(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Fatalf("read %q, %v, want %q", got, err, text)
		}
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v, want 0640", fi.Mode(), err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("%d files in the directory, want 1", len(names))
	}
}

func TestAFailedWriteKeepsTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, []byte("x"), 0o600); err == nil {
		t.Fatal("a directory was replaced by a file")
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("%d files left in the directory, want 1", len(names))
	}
	if err := atomicfile.Write(filepath.Join(dir, "none", "f"), nil, 0o600); err == nil {
		t.Error("a file was written into a directory that is not there")
	}
}
