package testdns

import (
	"github.com/miekg/dns"
)

// Fault is a way in which an answer goes wrong. The zero value is none.
type Fault struct {
	// reply gives the datagrams instead of the right one.
	reply func(m *dns.Msg, network string) [][]byte
	// partial: CNAMEs are not followed for the asker.
	partial bool
}

// None is no fault.
func None() Fault { return Fault{} }

// ServFail answers that the server has failed.
func ServFail() Fault { return code(dns.RcodeServerFailure) }

// Refused answers that the server does not serve this client.
func Refused() Fault { return code(dns.RcodeRefused) }

// NXDomain answers that the name does not exist.
func NXDomain() Fault { return code(dns.RcodeNameError) }

// Timeout gives no answer at all.
func Timeout() Fault {
	return Fault{reply: func(*dns.Msg, string) [][]byte { return nil }}
}

// Truncated answers over UDP with half of the records and the TC bit, so that
// only TCP gives the whole.
func Truncated() Fault {
	return Fault{reply: func(m *dns.Msg, network string) [][]byte {
		if network == "udp" {
			m.Truncated = true
			m.Answer = m.Answer[:len(m.Answer)/2]
		}
		return pack(m, network)
	}}
}

// WrongID answers with another number than the question's.
func WrongID() Fault {
	return Fault{reply: func(m *dns.Msg, network string) [][]byte {
		m.Id++
		return pack(m, network)
	}}
}

// WrongQuestion answers another question than the one that was put.
func WrongQuestion() Fault {
	return Fault{reply: func(m *dns.Msg, network string) [][]byte {
		m.Question[0].Name = "other.test."
		return pack(m, network)
	}}
}

// Forged sends what a guessing stranger would, with a record of its own, before
// the true answer.
func Forged(record string) Fault {
	return Fault{reply: func(m *dns.Msg, network string) [][]byte {
		rrs, err := parse(record)
		if err != nil {
			panic(err) // a mistake in the test
		}
		f := m.Copy()
		f.Id++
		f.Answer = rrs
		return append(pack(f, network), pack(m, network)...)
	}}
}

// Partial leaves CNAMEs for the asker to follow, as some forwarders do.
func Partial() Fault { return Fault{partial: true} }

// Raw answers with any octets; the question's number is written over the first two.
func Raw(wire []byte) Fault {
	return Fault{reply: func(m *dns.Msg, _ string) [][]byte {
		out := append([]byte(nil), wire...)
		if len(out) >= 2 {
			out[0], out[1] = byte(m.Id>>8), byte(m.Id)
		}
		return [][]byte{out}
	}}
}

func code(rcode int) Fault {
	return Fault{reply: func(m *dns.Msg, network string) [][]byte {
		m.Answer, m.Ns, m.Rcode = nil, nil, rcode
		return pack(m, network)
	}}
}
