package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
	"github.com/sesame-mta/sesame/internal/mta"
)

// sample is one run of one server.
type sample struct {
	Row         string  `json:"row"`
	Server      string  `json:"server"`
	Connections int     `json:"connections"`
	Size        int     `json:"size"`
	Recipients  int     `json:"recipients"`
	Messages    int64   `json:"messages"`
	Refused     int64   `json:"refused"`
	LastRefusal string  `json:"last_refusal,omitempty"`
	Broken      int64   `json:"broken,omitempty"` // connections
	Accepted    float64 `json:"accepted_per_second"`
	Delivered   float64 `json:"delivered_per_second"` // 0 where nothing was to be
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	CPU         float64 `json:"cpu_seconds_per_1000"`
	Written     float64 `json:"written_bytes_per_message"`
	Syncs       float64 `json:"syncs_per_message"` // negative is unknown
	RSS         int64   `json:"rss_peak_bytes"`
	Signatures  float64 `json:"bare_signatures_ms,omitempty"` // what those of a message take at the least
	Lost        int     `json:"lost"`
	Doubled     int     `json:"doubled"`
	Torn        int64   `json:"torn"`
}

// warmOctets bounds the content of a warm-up.
const warmOctets = 64 << 20

// options are what a row sends.
func (r row) options(s *server) load.Options {
	o := load.Options{Addr: s.addr, Connections: r.connections, PerConnection: r.per, Size: r.size,
		Recipients: r.recipients, Domains: int64(r.domains), Pipelining: !r.single,
		Reconnect: s.patience > 0, Timeout: s.patience}
	if r.tls {
		o.TLS, o.User, o.Password = load.StartTLS, s.user, s.password
	}
	return o
}

// measure starts a server on an empty queue, warms it up and makes one run, from
// the first octet sent to the last message in the sink.
func measure(ctx context.Context, name string, s setup, duration time.Duration) (_ *sample, settings string, err error) {
	so := sink.Options{Pipelining: true, Chunking: true, Latency: s.latency}
	if s.tlsOut {
		so.TLS = s.shared.config
	}
	for i := range s.domains {
		so.Also = append(so.Also, address(i))
	}
	sk, err := sink.Listen("127.0.0.1:0", so)
	if err != nil {
		return nil, "", err
	}
	defer sk.Close()
	s.host = sk.Addr()
	srv, err := start(ctx, name, s)
	if err != nil {
		return nil, "", err
	}
	m := newMeter(srv.pids)
	defer m.close()
	defer srv.stop()
	defer func() {
		if err != nil && srv.log != "" {
			err = fmt.Errorf("%w\n%s", err, mta.Tail(srv.log, 8))
		}
	}()

	o := s.options(srv)
	each := int64(10)
	if slow(name) {
		each = 2
	}
	o.Messages = max(int64(s.connections), min(each*int64(s.connections), warmOctets/int64(s.size)))
	warm, err := load.Run(ctx, o)
	if err != nil {
		return nil, "", fmt.Errorf("warm-up: %w", err)
	}
	if s.accept && srv.release != nil {
		if err := srv.release(ctx); err != nil {
			return nil, "", err
		}
	}
	if err := drain(ctx, sk, warm.Accepted*int64(s.recipients)); err != nil {
		return nil, "", fmt.Errorf("warm-up: %w", err)
	}
	if s.accept {
		sk.Hold()
	}
	sk.Defer(s.deferrals)
	bare, err := s.dkim.bare()
	if err != nil {
		return nil, "", err
	}
	before, err := m.read()
	if err != nil {
		return nil, "", err
	}
	syncs, err := srv.synced(nil)
	if err != nil {
		return nil, "", err
	}
	o.Messages, o.Duration = s.messages, duration
	res, err := load.Run(ctx, o)
	if err != nil {
		return nil, "", err
	}
	if res.Accepted == 0 {
		return nil, "", fmt.Errorf("nothing was accepted, last refusal %q", res.LastRefusal)
	}
	total := (warm.Accepted + res.Accepted) * int64(s.recipients)
	var delivered float64
	if s.accept {
		// What delivery costs is not counted.
		if syncs, err = srv.synced(&syncs); err != nil {
			return nil, "", err
		}
	} else if delivered, err = s.deliveries(ctx, sk, res, total); err != nil {
		return nil, "", err
	}
	after, err := m.read()
	if err != nil {
		return nil, "", err
	}
	if s.accept {
		sk.Release()
		if srv.release != nil {
			if err := srv.release(ctx); err != nil {
				return nil, "", err
			}
		}
		err = drain(ctx, sk, total)
	} else {
		syncs, err = srv.synced(&syncs)
	}
	if err != nil {
		return nil, "", err
	}
	again, err := s.dkim.bare()
	if err != nil {
		return nil, "", err
	}
	used, n := after.sub(before), float64(res.Accepted)
	lost, doubled := sk.Check(append(warm.Acknowledged, res.Acknowledged...))
	count := sk.Count()
	if want := count.Messages * s.dkim.signatures(); count.Signatures != want && len(lost) == 0 {
		return nil, "", fmt.Errorf("%d signatures on %d messages, want %d", count.Signatures, count.Messages, want)
	}
	out := &sample{
		Row: s.name, Server: name, Connections: s.connections, Size: s.size, Recipients: s.recipients,
		Messages: res.Accepted, Refused: warm.Refused + res.Refused, LastRefusal: res.LastRefusal, Broken: warm.Broken + res.Broken,
		Accepted: n / res.Elapsed.Seconds(), Delivered: delivered, P50: ms(res.P50), P99: ms(res.P99),
		CPU: used.cpu.Seconds() / n * 1000, Written: float64(used.written) / n, Syncs: -1, RSS: used.peak, Signatures: (bare + again) / 2,
		Lost: len(lost), Doubled: len(doubled), Torn: count.Torn,
	}
	if syncs >= 0 {
		out.Syncs = float64(syncs) / n
	}
	return out, srv.settings, nil
}

// deliveries waits for the sink and gives messages a second. Where some are
// deferred it counts to the message that makes 95 in a hundred, since the last
// ones wait for their next attempt.
func (r row) deliveries(ctx context.Context, sk *sink.Sink, res *load.Result, total int64) (float64, error) {
	n := float64(res.Accepted)
	if r.deferrals == 0 {
		err := drain(ctx, sk, total)
		return n / sk.Count().Last.Sub(res.Start).Seconds(), err
	}
	most := total - res.Accepted*int64(r.recipients)/20
	if err := drain(ctx, sk, most); err != nil {
		return 0, err
	}
	took := time.Since(res.Start)
	return n * 0.95 / took.Seconds(), drain(ctx, sk, total)
}

// synced gives the syncs made so far, less those of before; -1 where nobody counts.
func (s *server) synced(before *int64) (int64, error) {
	if s.syncs == nil {
		return -1, nil
	}
	n, err := s.syncs()
	if before != nil {
		n -= *before
	}
	return n, err
}

// drain gives a server five minutes to pass on what it took. What is lost then is
// counted by the ids, so it is no error to wait in vain for a few.
func drain(ctx context.Context, sk *sink.Sink, n int64) error {
	waiting, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	err := sk.WaitFor(waiting, n)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		fmt.Println("after five minutes", err)
		return nil
	}
	return err
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
