package smtpc_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

// at answers the n-th RCPT of a transaction.
func at(answers map[int]string) func(testmx.Event) testmx.Action {
	return func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Rcpt {
			return testmx.Action{Text: answers[e.Rcpt]}
		}
		return testmx.Action{}
	}
}

func TestEachRecipientHasItsOwnAnswer(t *testing.T) {
	const accepted, settled, again, elsewhere = smtpc.Accepted, smtpc.Settled, smtpc.Again, smtpc.Elsewhere
	for name, tc := range map[string]struct {
		script func(testmx.Event) testmx.Action
		max    int
		want   []smtpc.Verdict
		taken  []string // recipients of the message that arrived
		usable bool
	}{
		"all are taken":             {nil, 0, []smtpc.Verdict{accepted, accepted, accepted}, []string{"a", "b", "c"}, true},
		"one is refused":            {at(map[int]string{2: "550 5.1.1 No"}), 0, []smtpc.Verdict{accepted, settled, accepted}, []string{"a", "c"}, true},
		"one is deferred":           {at(map[int]string{1: "451 4.2.1 Later"}), 0, []smtpc.Verdict{settled, accepted, accepted}, []string{"b", "c"}, true},
		"all are refused":           {at(map[int]string{1: "550 No", 2: "551 No", 3: "450 No"}), 0, []smtpc.Verdict{settled, settled, settled}, nil, true},
		"too many":                  {nil, 1, []smtpc.Verdict{accepted, again, again}, []string{"a"}, true},
		"too many, the old way":     {at(map[int]string{3: "552 Too many recipients"}), 0, []smtpc.Verdict{accepted, accepted, again}, []string{"a", "b"}, true},
		"a full mailbox":            {at(map[int]string{2: "452 4.2.2 Mailbox full"}), 0, []smtpc.Verdict{accepted, settled, accepted}, []string{"a", "c"}, true},
		"452 before any is taken":   {at(map[int]string{1: "452 No room", 2: "452 No room", 3: "452 No room"}), 0, []smtpc.Verdict{settled, settled, settled}, nil, true},
		"421 in the middle":         {at(map[int]string{2: "421 4.3.2 Going down"}), 0, []smtpc.Verdict{elsewhere, elsewhere, elsewhere}, nil, false},
		"421 after a refusal":       {at(map[int]string{1: "550 No", 3: "421 Bye"}), 0, []smtpc.Verdict{settled, elsewhere, elsewhere}, nil, false},
		"MAIL deferred":             {testmx.On(testmx.Mail, testmx.Action{Text: "451 4.7.1 Later"}), 0, []smtpc.Verdict{elsewhere, elsewhere, elsewhere}, nil, true},
		"MAIL refused":              {testmx.On(testmx.Mail, testmx.Action{Text: "550 5.7.1 Never"}), 0, []smtpc.Verdict{settled, settled, settled}, nil, true},
		"content refused":           {testmx.On(testmx.Content, testmx.Action{Text: "554 5.7.1 Spam"}), 0, []smtpc.Verdict{settled, settled, settled}, nil, true},
		"content deferred":          {testmx.On(testmx.Content, testmx.Action{Text: "452 4.3.1 Full"}), 0, []smtpc.Verdict{settled, settled, settled}, nil, true},
		"421 after the content":     {testmx.On(testmx.Content, testmx.Action{Text: "421 4.3.2 Bye"}), 0, []smtpc.Verdict{elsewhere, elsewhere, elsewhere}, nil, false},
		"354 where there is nobody": {nobody, 0, []smtpc.Verdict{settled, settled, settled}, nil, true},
	} {
		for _, way := range ways {
			t.Run(name+"/"+way.name, func(t *testing.T) {
				mx := host(t, testmx.Options{Keywords: way.keywords, Script: tc.script, MaxRecipients: tc.max})
				c := ready(t, mx, smtpc.Options{})
				answers := c.Send(t.Context(), message(t, "hi\r\n", "a@example.org", "b@example.org", "c@example.org"))
				if got := verdicts(answers); !slices.Equal(got, tc.want) || c.Usable() != tc.usable {
					t.Errorf("verdicts %v, want %v; usable %v", got, tc.want, c.Usable())
				}
				var taken []string
				for _, m := range mx.Messages() {
					for _, r := range m.To {
						taken = append(taken, r[:1])
					}
				}
				if !slices.Equal(taken, tc.taken) {
					t.Errorf("taken for %v, want %v", taken, tc.taken)
				}
				if !tc.usable || tc.script != nil {
					return
				}
				// The dialogue is still in step.
				if a := c.Send(t.Context(), message(t, "hi\r\n")); a[0].Verdict != accepted {
					t.Errorf("the next message: %+v", a[0])
				}
			})
		}
	}
}

func TestAReplyThatMakesNoSenseEndsTheDialogue(t *testing.T) {
	for _, way := range ways {
		for _, stage := range []testmx.Stage{testmx.Mail, testmx.Rcpt, testmx.Data, testmx.Content} {
			for _, text := range []string{"354 What?", "999 What?", "HTTP/1.1 400 Bad Request", "250-a\n251 b", "25", "250_Ok"} {
				if stage == testmx.Data && text == "354 What?" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%.6q", way.name, stage, text), func(t *testing.T) {
					mx := host(t, testmx.Options{Keywords: way.keywords, Script: testmx.On(stage, testmx.Action{Text: text})})
					c := ready(t, mx, smtpc.Options{Timeouts: short})
					a := c.Send(t.Context(), message(t, "hi\r\n"))[0]
					if stage == testmx.Data && way.bdat {
						return
					}
					if a.Verdict != smtpc.Elsewhere && a.Verdict != smtpc.Lost || !a.Reply.Temporary() || a.Remote || c.Usable() {
						t.Errorf("answer %+v, usable %v", a, c.Usable())
					}
				})
			}
		}
	}
}

// nobody refuses all recipients and asks for the content all the same.
func nobody(e testmx.Event) testmx.Action {
	switch e.Stage {
	case testmx.Rcpt:
		return testmx.Action{Text: "550 5.1.1 No"}
	case testmx.Data:
		return testmx.Action{Text: "354 Go ahead"}
	default:
		return testmx.Action{}
	}
}

func TestATransactionThatFailedIsReset(t *testing.T) {
	for _, way := range ways {
		for _, stage := range []testmx.Stage{testmx.Rcpt, testmx.Data, testmx.Content} {
			t.Run(way.name+"/"+stage.String(), func(t *testing.T) {
				mx := host(t, testmx.Options{Keywords: way.keywords, Script: func(e testmx.Event) testmx.Action {
					if e.Stage == stage && e.Transaction == 1 {
						return testmx.Action{Text: "554 5.0.0 Not this one"}
					}
					return testmx.Action{}
				}})
				c := ready(t, mx, smtpc.Options{})
				for i, want := range []smtpc.Verdict{smtpc.Settled, smtpc.Accepted, smtpc.Accepted} {
					if stage == testmx.Data && way.bdat {
						want = smtpc.Accepted
					}
					if a := c.Send(t.Context(), message(t, "hi\r\n"))[0]; a.Verdict != want {
						t.Fatalf("message %d: %+v", i+1, a)
					}
				}
			})
		}
	}
}

func TestARefusedChunkEndsTheMessage(t *testing.T) {
	mx := host(t, testmx.Options{Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Chunk && e.Transaction == 1 {
			return testmx.Action{Text: "452 4.3.1 No room"}
		}
		return testmx.Action{}
	}})
	c := ready(t, mx, smtpc.Options{})
	body := strings.Repeat("0123456789\r\n", 300_000)
	for i, want := range []smtpc.Verdict{smtpc.Settled, smtpc.Accepted} {
		if a := c.Send(t.Context(), message(t, body))[0]; a.Verdict != want {
			t.Fatalf("message %d: %+v", i+1, a)
		}
	}
	if got := mx.Messages(); len(got) != 1 || len(got[0].Data) != len(header)+len(body) {
		t.Errorf("%d messages came", len(got))
	}
}

func TestWhatTheHostCannotTakeIsNotSent(t *testing.T) {
	eight := func(m *smtpc.Message) { m.EightBit = true }
	for name, tc := range map[string]struct {
		keywords []string
		o        smtpc.Options
		change   func(*smtpc.Message)
		verdict  smtpc.Verdict
		reply    string
		params   string
	}{
		"too large":               {[]string{"SIZE 40"}, smtpc.Options{}, nil, smtpc.Settled, "552 5.3.4", ""},
		"just small enough":       {[]string{fmt.Sprintf("SIZE %d", len(header)+4)}, smtpc.Options{}, nil, smtpc.Accepted, "250 2.0.0", "SIZE=45"},
		"no limit":                {[]string{"SIZE"}, smtpc.Options{}, nil, smtpc.Accepted, "250 2.0.0", "SIZE=45"},
		"a limit of nonsense":     {[]string{"SIZE x"}, smtpc.Options{}, nil, smtpc.Accepted, "250 2.0.0", "SIZE=45"},
		"8-bit to an old host":    {[]string{}, smtpc.Options{}, eight, smtpc.Settled, "554 5.6.3", ""},
		"8-bit to a new host":     {[]string{"8BITMIME"}, smtpc.Options{}, eight, smtpc.Accepted, "250 2.0.0", "BODY=8BITMIME"},
		"8-bit anyway":            {[]string{}, smtpc.Options{Send8BitAnyway: true}, eight, smtpc.Accepted, "250 2.0.0", ""},
		"7-bit needs no 8BITMIME": {[]string{"8BITMIME"}, smtpc.Options{}, nil, smtpc.Accepted, "250 2.0.0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			mx := host(t, testmx.Options{Keywords: tc.keywords})
			c := ready(t, mx, tc.o)
			m := message(t, "hi\r\n")
			if tc.change != nil {
				tc.change(m)
			}
			a := c.Send(t.Context(), m)[0]
			if a.Verdict != tc.verdict || !strings.HasPrefix(a.Reply.String(), tc.reply) || a.Remote != (tc.verdict == smtpc.Accepted) {
				t.Errorf("answer %+v", a)
			}
			if got := mx.Messages(); len(got) > 0 && got[0].Params != tc.params {
				t.Errorf("parameters %q, want %q", got[0].Params, tc.params)
			}
			if !c.Usable() {
				t.Error("the connection is gone")
			}
		})
	}
}

func TestALostReplyToTheWholeMessageLeavesItUncertain(t *testing.T) {
	for _, way := range ways {
		for _, do := range []testmx.Deed{testmx.Drop, testmx.Abort, testmx.Hang, testmx.Drip, testmx.Endless} {
			t.Run(fmt.Sprintf("%s/%d", way.name, do), func(t *testing.T) {
				mx := host(t, testmx.Options{Keywords: way.keywords, Script: testmx.On(testmx.Content, testmx.Action{Do: do})})
				c := ready(t, mx, smtpc.Options{Timeouts: short})
				a := c.Send(t.Context(), message(t, "hi\r\n"))[0]
				if a.Verdict != smtpc.Lost || a.Remote || !a.Reply.Temporary() || c.Usable() {
					t.Errorf("answer %+v", a)
				}
			})
		}
	}
}

func TestAReplyBeforeTheEndOfTheContentIsHeard(t *testing.T) {
	mx := host(t, testmx.Options{Keywords: []string{}, Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Data {
			return testmx.Action{Do: testmx.Raw, Text: "354 Go\r\n552 5.3.4 Too much\r\n"}
		}
		return testmx.Action{}
	}})
	c := ready(t, mx, smtpc.Options{Timeouts: short})
	a := c.Send(t.Context(), message(t, strings.Repeat("0123456789\r\n", 1000)))[0]
	// What comes unasked might answer anything: nobody relies on it.
	if a.Verdict == smtpc.Accepted || c.Usable() {
		t.Errorf("answer %+v, usable %v", a, c.Usable())
	}
}

func TestOnlyAReplyAboutMailTakesTheMessage(t *testing.T) {
	for _, way := range ways {
		for text, want := range map[string]smtpc.Verdict{
			"220 mx.example.org ESMTP": smtpc.Lost, "221 Bye": smtpc.Lost, "250 Ok": smtpc.Accepted, "251 Ok": smtpc.Accepted, "200 Ok": smtpc.Accepted,
		} {
			mx := host(t, testmx.Options{Keywords: way.keywords, Script: testmx.On(testmx.Content, testmx.Action{Text: text})})
			c := ready(t, mx, smtpc.Options{Timeouts: short})
			if a := c.Send(t.Context(), message(t, "hi\r\n"))[0]; a.Verdict != want || c.Usable() != (want == smtpc.Accepted) {
				t.Errorf("%s, %s: %+v, usable %v", way.name, text, a, c.Usable())
			}
		}
	}
}

func TestAnUnaskedReplyIsNeverTakenForTheNextOne(t *testing.T) {
	for _, stage := range []testmx.Stage{testmx.Mail, testmx.Rcpt, testmx.Data} {
		t.Run(stage.String(), func(t *testing.T) {
			said := "250 Ok\r\n250 Ok\r\n250 Ok\r\n"
			if stage == testmx.Data {
				said = "354 Go\r\n250 Ok\r\n"
			}
			mx := host(t, testmx.Options{Keywords: []string{}, Script: testmx.On(stage, testmx.Action{Do: testmx.Raw, Text: said})})
			c := ready(t, mx, smtpc.Options{Timeouts: short})
			if a := c.Send(t.Context(), message(t, "hi\r\n"))[0]; a.Verdict != smtpc.Elsewhere {
				t.Errorf("answer %+v", a)
			}
		})
	}
}

func TestAHostThatDoesNotReadIsGivenUp(t *testing.T) {
	mx := host(t, testmx.Options{Keywords: []string{"CHUNKING", "PIPELINING"}, Script: testmx.On(testmx.Mail, testmx.Action{Do: testmx.Stall})})
	c := ready(t, mx, smtpc.Options{Timeouts: short, NoChunking: false})
	m := message(t, "")
	m.Body, m.BodyAt, m.Size = failing{}, 0, 1<<20-4096
	start := time.Now()
	a := c.Send(t.Context(), m)[0]
	if a.Verdict != smtpc.Elsewhere || time.Since(start) > 10*time.Second {
		t.Errorf("answer %+v after %v", a, time.Since(start))
	}
}

func TestAHostThatCannotBeWrittenToIsNotWaitedFor(t *testing.T) {
	// A pipe holds nothing: a write waits for its reader.
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() {
		_, _ = theirs.Write([]byte("220 mx.example.org\r\n"))
		_, _ = theirs.Read(make([]byte, 100))
		_, _ = theirs.Write([]byte("250 mx.example.org\r\n"))
	}()
	// The reply to MAIL may take its five minutes, but not after the write failed.
	c := smtpc.New(ours, smtpc.Options{Hostname: "mta.example.com", Timeouts: smtpc.Timeouts{Block: 100 * time.Millisecond}})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := errors.Join(c.Greet(ctx), c.Hello(ctx)); err != nil {
		t.Fatal(err)
	}
	if a := c.Send(ctx, message(t, "hi\r\n"))[0]; ctx.Err() != nil || a.Verdict != smtpc.Elsewhere || c.Usable() {
		t.Errorf("answer %+v, usable %v, %v", a, c.Usable(), ctx.Err())
	}
}

func TestALoneDotAnswersA354ForNobody(t *testing.T) {
	asked := false
	mx := host(t, testmx.Options{Keywords: []string{"PIPELINING"}, Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Content {
			if asked = true; e.Octets != 0 {
				t.Errorf("%d octets were sent for nobody", e.Octets)
			}
		}
		return nobody(e)
	}})
	c := ready(t, mx, smtpc.Options{})
	c.Send(t.Context(), message(t, "hi\r\n"))
	if !asked || !c.Usable() {
		t.Errorf("asked %v, usable %v", asked, c.Usable())
	}
}

func TestCancellingEndsAWait(t *testing.T) {
	mx := host(t, testmx.Options{Script: testmx.On(testmx.Mail, testmx.Action{Do: testmx.Hang})})
	c := ready(t, mx, smtpc.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	a := c.Send(ctx, message(t, "hi\r\n"))[0]
	if a.Verdict != smtpc.Elsewhere || !errors.Is(&a.Reply, context.DeadlineExceeded) {
		t.Errorf("answer %+v", a)
	}
}

func TestTheNameOfTheClientIsInEHLO(t *testing.T) {
	mx := host(t, testmx.Options{StartTLS: true})
	c := ready(t, mx, smtpc.Options{Hostname: "a.mx.example.com"})
	if err := c.StartTLS(t.Context(), &tls.Config{ServerName: "mx.example.org", RootCAs: mx.Roots()}); err != nil {
		t.Fatal(err)
	}
	if x := c.Extensions(); x.Pipelining || x.ESMTP {
		t.Error("what was offered in clear text is still believed after the handshake")
	}
	if err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Send(t.Context(), message(t, "hi\r\n"))
	if m := mx.Messages()[0]; m.Hello != "a.mx.example.com" || !m.ESMTP || m.TLS != tls.VersionTLS13 {
		t.Errorf("message %+v", m)
	}
}

func TestAHostWithoutEHLOGetsHELO(t *testing.T) {
	mx := host(t, testmx.Options{NoEHLO: true})
	c := ready(t, mx, smtpc.Options{})
	if a := c.Send(t.Context(), message(t, "hi\r\n"))[0]; a.Verdict != smtpc.Accepted {
		t.Errorf("answer %+v", a)
	}
	if m := mx.Messages()[0]; m.ESMTP || m.Params != "" || m.Pipelined {
		t.Errorf("message %+v", m)
	}
}

func TestManyRepliesToAGroupTakeOneRoundTrip(t *testing.T) {
	mx := host(t, testmx.Options{Latency: 100 * time.Millisecond})
	c := ready(t, mx, smtpc.Options{})
	rcpts := make([]string, 50)
	for i := range rcpts {
		rcpts[i] = fmt.Sprintf("r%d@example.org", i)
	}
	start := time.Now()
	for _, a := range c.Send(t.Context(), message(t, "hi\r\n", rcpts...)) {
		if a.Verdict != smtpc.Accepted {
			t.Fatalf("answer %+v", a)
		}
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v, which is more than one round trip", d)
	}
}

func TestAddressesAreQuotedAgain(t *testing.T) {
	mx := host(t, testmx.Options{})
	c := ready(t, mx, smtpc.Options{})
	m := message(t, "hi\r\n", `"x> NOTIFY=NEVER <y"@example.org`)
	m.From = mail.ReversePath{}
	c.Send(t.Context(), m)
	got := mx.Messages()
	if len(got) != 1 || got[0].From != "" || got[0].To[0] != `"x> NOTIFY=NEVER <y"@example.org` {
		t.Errorf("messages %+v", got)
	}
}
