package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
	"github.com/sesame-mta/sesame/internal/testdns"
)

// growStep is one step of a series.
type growStep struct {
	Kind      string  `json:"kind"` // connections, domains, accounts
	N         int     `json:"n"`
	CPU       float64 `json:"cpu_seconds_per_1000"`
	Delivered float64 `json:"delivered_per_second"`
	RSS       int64   `json:"rss_peak_bytes"`
	Lost      int     `json:"lost"`
	Doubled   int     `json:"doubled"`
	Refused   int64   `json:"refused"`
	// Growth is CPU beside that of the step before.
	Growth float64 `json:"growth"`
}

// maxGrowth is what CPU for a message may be beside that of the step before.
const maxGrowth = 2.0

// runGrow raises the number of connections, domains and accounts tenfold at each
// step, and watches what a message costs.
func runGrow(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("grow", flag.ContinueOnError)
	binary := f.String("sesame", "bin/sesame", "the program to measure")
	kinds := f.String("kinds", "connections,domains,accounts", "what grows")
	most := f.Int("most", 100_000, "the largest step")
	messages := f.Int64("messages", 30_000, "messages at each step; as many as domains at least")
	file := f.String("json", "", "file to put the figures into")
	if err := f.Parse(args); err != nil {
		return err
	}
	res, err := openResults(*file)
	if err != nil {
		return err
	}
	fmt.Println("machine:", res.Machine)
	var failures []error
	for kind := range strings.SplitSeq(*kinds, ",") {
		last := map[string]int{"connections": 1000, "domains": 100_000, "accounts": 10_000}[kind]
		if last == 0 {
			return fmt.Errorf("-kinds: unknown %q", kind)
		}
		var steps []growStep
		for n := 1; n <= min(last, *most); n *= 10 {
			s, err := grow(ctx, *binary, kind, n, max(*messages, int64(n)*map[string]int64{"domains": 1}[kind]))
			if err != nil {
				return fmt.Errorf("%s, %d: %w", kind, n, err)
			}
			if len(steps) > 0 {
				s.Growth = s.CPU / steps[len(steps)-1].CPU
			}
			fmt.Printf("%s %d: %.3f CPU s/1000, %.0f delivered/s, RSS %d MB\n", kind, n, s.CPU, s.Delivered, s.RSS>>20)
			if s.Growth > maxGrowth || s.Lost+s.Doubled > 0 {
				failures = append(failures, fmt.Errorf("%s, %d: CPU for a message is %.1f times that of the step before, %d lost, %d doubled", kind, n, s.Growth, s.Lost, s.Doubled))
			}
			steps = append(steps, *s)
		}
		if err := res.put("grow-"+kind, steps); err != nil {
			return err
		}
	}
	return errors.Join(failures...)
}

// grow measures one step.
func grow(ctx context.Context, binary, kind string, n int, messages int64) (*growStep, error) {
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true})
	if err != nil {
		return nil, err
	}
	defer sk.Close()
	o := load.Options{Connections: 20, Messages: messages, Pipelining: true}
	so := sesameOptions{binary: binary, delivery: fmt.Sprintf("smarthost = %q\n", sk.Addr())}
	switch kind {
	case "connections":
		o.Connections = n
	case "domains":
		dns, err := testdns.Start(sites(n))
		if err != nil {
			return nil, err
		}
		defer dns.Close()
		_, port, _ := net.SplitHostPort(sk.Addr()) // a listener's
		so.delivery, o.Domains = fmt.Sprintf("port = %s\n\n[dns]\nresolvers = [%q]\n", port, dns.Addr), int64(n)
	}
	s, err := newSesame(ctx, so)
	if err != nil {
		return nil, err
	}
	defer s.remove()
	if kind == "accounts" {
		if o.Logins, err = s.tenants(ctx, n); err != nil {
			return nil, err
		}
		// Each connection is of the next one, with as many messages at every step.
		o.TLS, o.PerConnection = load.StartTLS, 10
	}
	o.Addr = s.addr
	before, err := treeUsage(s.process.PID())
	if err != nil {
		return nil, err
	}
	res, err := load.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	if res.Refused > 0 {
		return nil, fmt.Errorf("%d refused, the last with %q", res.Refused, res.LastRefusal)
	}
	if err := drain(ctx, sk, res.Accepted); err != nil {
		return nil, err
	}
	after, err := treeUsage(s.process.PID())
	if err != nil {
		return nil, err
	}
	lost, doubled := sk.Check(res.Acknowledged)
	return &growStep{Kind: kind, N: n, CPU: after.sub(before).cpu.Seconds() / float64(res.Accepted) * 1000,
		Delivered: float64(res.Accepted) / sk.Count().Last.Sub(res.Start).Seconds(), RSS: after.peak,
		Lost: len(lost), Doubled: len(doubled), Refused: res.Refused}, nil
}

// sites gives n destinations that are an MX site each, all at one address.
func sites(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s MX 10 mx.%s\nmx.%s A 127.0.0.1\n", domain(i), domain(i), domain(i))
	}
	return b.String()
}

// tenants makes n accounts with an identity and a credential each, over the socket
// that the operator's commands use: as many commands would take an hour.
func (s *sesame) tenants(ctx context.Context, n int) ([]load.Login, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(s.dir, "admin.sock"))
		}}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	logins, errs := make([]load.Login, n), make([]error, 8)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				logins[i], errs[w] = tenant(ctx, client, "a"+strconv.Itoa(i))
			}
		})
	}
	wg.Wait()
	return logins, errors.Join(errs...)
}

func tenant(ctx context.Context, client *http.Client, name string) (load.Login, error) {
	domain := name + ".example.com"
	if err := post(ctx, client, "/v1/identities", map[string]any{"account": name, "identity": domain, "verified": true}, nil); err != nil {
		return load.Login{}, err
	}
	var made struct {
		User     string `json:"username"`
		Password string `json:"password"`
	}
	err := post(ctx, client, "/v1/credentials", map[string]any{"account": name}, &made)
	return load.Login{User: made.User, Password: made.Password, From: "bench@" + domain}, err
}

func post(ctx context.Context, client *http.Client, path string, q, answer any) error {
	b, err := json.Marshal(q)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sesame"+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, resp.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}
