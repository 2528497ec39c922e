//go:build e2e

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd takes every line of the unit.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if inCI() {
			t.Fatal("systemd is not installed; .ci/counterparts does it")
		}
		t.Skip("systemd is not installed")
	}
	b, err := os.ReadFile("../../packaging/systemd/sesame.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "sesame.service")
	text := strings.ReplaceAll(string(b), "/usr/bin/sesame", binary(t))
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out := program(t, "", nil, nil, "systemd-analyze", "verify", "--man=no", unit)
	if strings.Contains(out, unit) || strings.Contains(out, "sesame.service") {
		t.Errorf("systemd-analyze: %s", out)
	}
}
