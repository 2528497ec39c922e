package dispatch

import (
	reading "github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/mail"
)

// read says what the reply of an outcome was about; nothing, if it is positive.
func read(o *mail.Outcome) reading.Verdict {
	if o.Result == mail.Delivered {
		return reading.Verdict{}
	}
	return reading.Of(&o.Reply, o.Remote, o.Host)
}

// soften defers what hosts refused for good in the code, and for now in their
// words; the reply itself stays as they said it. It reports whether one of them
// asked for less.
func soften(outcomes []mail.Outcome) (busy bool) {
	for i := range outcomes {
		o := &outcomes[i]
		if !o.Remote {
			continue
		}
		v := read(o)
		busy = busy || v.Action == reading.BackOff
		if o.Result == mail.Failed && !v.Permanent {
			o.Result = mail.Deferred
		}
	}
	return busy
}
