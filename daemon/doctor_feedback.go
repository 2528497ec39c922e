package daemon

import (
	"context"
	"slices"
)

// feedback looks whether what comes back later is taken: by the listeners, and by a
// person.
func (d *doctor) feedback(context.Context) []Finding {
	const name = "feedback"
	if d.cfg.Service.Domain == "" {
		return nil
	}
	if len(d.cfg.Listen.Feedback) == 0 {
		return []Finding{warn(name, "set [listen] feedback, see docs/howto/feedback.md",
			"bounces and complaints that come later go to the senders themselves: mail leaves under their reverse-paths")}
	}
	var out []Finding
	if !slices.ContainsFunc(d.cfg.Listen.Feedback, onPort25) {
		out = append(out, warn(name, "have port 25 lead to one of them", "no feedback listener is on port 25, which is where other hosts send to"))
	}
	if d.cfg.Service.Postmaster == "" {
		out = append(out, warn(name, "set [service] postmaster to the address of a person elsewhere",
			"nobody reads mail to postmaster@ and abuse@%s", d.cfg.Service.Domain))
	}
	if len(out) == 0 {
		out = append(out, ok(name, "what comes back to %s is taken", d.cfg.Service.Domain))
	}
	return out
}

func onPort25(addr string) bool {
	_, to, found := stranger(addr, nil)
	return found && to.Port() == 25
}
