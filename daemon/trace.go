package daemon

import (
	"path/filepath"

	"github.com/sesame-mta/sesame/trace"
)

// openTrace opens the lives of messages, if they are to be kept.
func (d *Daemon) openTrace() error {
	if d.cfg.Trace.Keep == 0 {
		return nil // a nil recorder takes nothing
	}
	r, err := trace.Open(trace.Options{Dir: filepath.Join(d.cfg.DataDir, "trace"), Keep: d.cfg.Trace.Keep,
		MaxBytes: d.cfg.Trace.MaxBytes, Log: d.logger("trace"), Metrics: d.metrics})
	if err != nil {
		return err
	}
	d.trace = r
	d.onClose(r.Close)
	return nil
}
