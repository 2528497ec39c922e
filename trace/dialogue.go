package trace

import (
	"strings"
	"time"
)

// Bounds of one dialogue.
const (
	maxSteps  = 400
	maxStep   = 1000     // octets of one step
	maxOctets = 16 << 10 // of all
)

// Dialogue gathers the steps of one attempt. It is for one goroutine.
type Dialogue struct {
	began  time.Time
	steps  []Step
	octets int
	cut    int
}

// Begin makes a dialogue whose clock runs from now.
func Begin() *Dialogue {
	return &Dialogue{began: time.Now(), steps: make([]Step, 0, 16)}
}

// Add notes one step with its time. What goes beyond the bounds is counted, not kept.
func (d *Dialogue) Add(who byte, text string) {
	if len(text) > maxStep {
		// A copy, since the text may hold on to a larger one.
		text = strings.Clone(text[:maxStep]) + "..."
	}
	if len(d.steps) == maxSteps || d.octets+len(text) > maxOctets {
		d.cut++
		return
	}
	d.octets += len(text)
	at := time.Since(d.began).Round(time.Microsecond)
	d.steps = append(d.steps, Step{At: at, Who: Speaker(who), Text: text})
}

// Fill puts what was gathered into an attempt.
func (d *Dialogue) Fill(a *Attempt) {
	a.Dur, a.Steps, a.Cut = time.Since(d.began).Round(time.Microsecond), d.steps, d.cut
}
