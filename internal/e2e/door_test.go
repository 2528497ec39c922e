//go:build e2e

package e2e_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/internal/mta"
)

// door is what a client must know to send through sesame.
type door struct {
	host           string // "localhost"
	starttls       string // the port that stands for 587
	implicit       string // 465
	starttls2      string // 2587
	implicit2      string // 2465
	user, password string
	ca             string // file
}

// fill puts the door's facts where a recipe has its examples.
func (d door) fill(recipe string) string {
	return strings.NewReplacer(
		"mail.example.com", d.host,
		"2587", d.starttls2,
		"2465", d.implicit2,
		"587", d.starttls,
		"465", d.implicit,
		"USER", d.user,
		"PASSWORD", d.password,
		"/etc/ssl/certs/ca-certificates.crt", d.ca,
	).Replace(recipe)
}

// inCI reports whether a missing counterpart is a failure.
func inCI() bool { return os.Getenv("CI") == "true" }

// missing ends a test whose counterpart could not be started: skipped where it
// is not installed, failed in CI and for any other reason.
func missing(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, mta.ErrMissing) && !inCI() {
		t.Skip(err)
	}
	t.Fatal(err)
}

// need is for a counterpart that is a program on the path.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if inCI() {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed; run .ci/counterparts", program)
	}
}
