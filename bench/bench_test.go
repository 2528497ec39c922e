package main_test

import (
	"context"
	"net/smtp"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
)

func TestWhatIsAcknowledgedArrivesOnce(t *testing.T) {
	for name, o := range map[string]load.Options{
		"one command at a time":        {},
		"pipelined":                    {Pipelining: true},
		"chunked":                      {Pipelining: true, Chunking: true},
		"a connection for ten":         {Pipelining: true, PerConnection: 10},
		"many recipients":              {Pipelining: true, Recipients: 7},
		"recipients by turns":          {Pipelining: true, Recipients: 3, Spread: 50},
		"large, longer than a segment": {Pipelining: true, Chunking: true, Size: 300_000, Messages: 20},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			o.Addr, o.Connections = s.Addr(), 4
			if o.Messages == 0 {
				o.Messages = 200
			}
			res, err := load.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if res.Accepted != o.Messages || res.Refused != 0 || s.Count().Messages != o.Messages {
				t.Errorf("accepted %d, refused %d (%s), counted %d, want %d", res.Accepted, res.Refused, res.LastRefusal, s.Count().Messages, o.Messages)
			}
			if s.Count().Torn != 0 {
				t.Errorf("%d messages torn", s.Count().Torn)
			}
			if o.Size > 0 {
				if mean := s.Count().Octets / o.Messages; mean < int64(o.Size)*9/10 || mean > int64(o.Size)*11/10 {
					t.Errorf("messages of %d octets, want about %d", mean, o.Size)
				}
			}
			if lost, doubled := s.Check(res.Acknowledged); len(lost)+len(doubled) > 0 {
				t.Errorf("lost %d, doubled %d", len(lost), len(doubled))
			}
		})
	}
}

func TestTheSinkFindsLostAndDoubled(t *testing.T) {
	s, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 { // the same ids twice
		if _, err := load.Run(t.Context(), load.Options{Addr: s.Addr(), Run: "a", Messages: 3}); err != nil {
			t.Fatal(err)
		}
	}
	lost, doubled := s.Check([]string{sink.Key("a-1", "r0@example.net"), sink.Key("a-9", "r0@example.net")})
	if len(lost) != 1 || len(doubled) != 3 {
		t.Errorf("lost %q, doubled %q, want one and three", lost, doubled)
	}
}

func TestTheSinkFindsATornBody(t *testing.T) {
	s, err := sink.Listen("127.0.0.1:0", sink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, body := range []string{"whole\r\n", "who\r\n"} {
		content := sink.SumField + ": 21f18a53\r\n\r\n" + body // the sum of "whole" and its line end
		if err := smtp.SendMail(s.Addr(), nil, "a@example.com", []string{"b@example.net"}, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Count(); got.Messages != 2 || got.Torn != 1 {
		t.Errorf("%+v, want one of two torn", got)
	}
}

func TestARefusedMessageIsCountedAndNotAcknowledged(t *testing.T) {
	s, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Defer: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	res, err := load.Run(ctx, load.Options{Addr: s.Addr(), Messages: 10, Pipelining: true})
	if err != nil {
		t.Fatal(err)
	}
	if res.Accepted != 0 || res.Refused != 10 || len(res.Acknowledged) != 0 || s.Count().Deferred != 10 {
		t.Errorf("%+v, deferred %d; want ten refused", res, s.Count().Deferred)
	}
}
