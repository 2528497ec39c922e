package dispatch

import (
	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
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
// words. The reply itself stays as they said it.
func soften(outcomes []mail.Outcome) {
	for i := range outcomes {
		o := &outcomes[i]
		if o.Result == mail.Failed && o.Remote && !read(o).Permanent {
			o.Result = mail.Deferred
		}
	}
}

// signalOf says what an attempt tells the limiter: Busy also where the words of a
// host ask for less, whatever its code.
func signalOf(outcomes []mail.Outcome) egress.Signal {
	signal := delivery.SignalOf(outcomes)
	for i := range outcomes {
		if o := &outcomes[i]; signal == egress.Success && o.Remote && read(o).Action == reading.BackOff {
			return egress.Busy
		}
	}
	return signal
}
