package auth_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/emersion/go-sasl"

	"github.com/sesame-mta/sesame/auth"
)

func TestLogin(t *testing.T) {
	wrong := errors.New("wrong")
	tests := []struct {
		name       string
		responses  [][]byte // nil is none
		challenges []string
		user, pass string
		err        error
	}{
		{"asks for both", [][]byte{nil, []byte("u"), []byte("p")}, []string{"Username:", "Password:"}, "u", "p", nil},
		{"takes the user name as initial response", [][]byte{[]byte("u"), []byte("p")}, []string{"Password:"}, "u", "p", nil},
		{"takes an empty initial response for a user name", [][]byte{{}, []byte("p")}, []string{"Password:"}, "", "p", nil},
		{"keeps every octet", [][]byte{nil, []byte("u\x00\xff"), []byte("\x00p")}, []string{"Username:", "Password:"}, "u\x00\xff", "\x00p", nil},
		{"gives the refusal on", [][]byte{nil, []byte("u"), []byte("x")}, []string{"Username:", "Password:"}, "u", "x", wrong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var user, pass string
			s := auth.NewLoginServer(func(u, p string) error {
				user, pass = u, p
				return tt.err
			})
			for i, r := range tt.responses {
				challenge, done, err := s.Next(r)
				last := i == len(tt.responses)-1
				if done != last {
					t.Fatalf("step %d: done %v", i, done)
				}
				if last {
					if !errors.Is(err, tt.err) {
						t.Errorf("got %v, want %v", err, tt.err)
					}
				} else if err != nil || string(challenge) != tt.challenges[i] {
					t.Fatalf("step %d: %q, %v", i, challenge, err)
				}
			}
			if user != tt.user || pass != tt.pass {
				t.Errorf("checked %q and %q", user, pass)
			}
			if _, _, err := s.Next([]byte("more")); !errors.Is(err, sasl.ErrUnexpectedClientResponse) {
				t.Errorf("a response after the end: %v", err)
			}
		})
	}
}

// FuzzLogin checks that an exchange asks for a verdict exactly once, and with
// exactly what the client sent.
func FuzzLogin(f *testing.F) {
	f.Add([]byte("u"), []byte("p"), true)
	f.Add([]byte(""), []byte("\x00"), false)
	f.Fuzz(func(t *testing.T, user, pass []byte, initial bool) {
		calls := 0
		s := auth.NewLoginServer(func(u, p string) error {
			calls++
			if u != string(user) || p != string(pass) {
				t.Errorf("checked %q and %q", u, p)
			}
			return nil
		})
		steps := [][]byte{nil, bytes.Clone(user), bytes.Clone(pass)}
		for i := range steps[1:] {
			if steps[i+1] == nil {
				steps[i+1] = []byte{}
			}
		}
		if initial {
			steps = steps[1:]
		}
		for i, r := range steps {
			if _, done, err := s.Next(r); err != nil || done != (i == len(steps)-1) {
				t.Fatalf("step %d: done %v, %v", i, done, err)
			}
		}
		if calls != 1 {
			t.Errorf("%d verdicts", calls)
		}
	})
}
