package daemon_test

import (
	"errors"
	"testing"

	"github.com/sesame-mta/sesame/daemon"
	"github.com/sesame-mta/sesame/internal/failpoint"
	"github.com/sesame-mta/sesame/internal/testmx"
)

func TestFailuresAreInjectedByTheEnvironment(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	r.stop()
	t.Setenv(failpoint.Env, "open.epoch=error")
	d, err := daemon.New(t.Context(), daemon.Options{Config: r.cfg})
	if err == nil {
		_ = d.Close() // it should not be there
	}
	if !errors.Is(err, failpoint.ErrInjected) {
		t.Errorf("New gives %v, want the injected failure", err)
	}
}
