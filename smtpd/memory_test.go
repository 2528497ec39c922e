package smtpd_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// heap gives the octets in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first took out of pools
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Anybody may begin an AUTH line of RFC 4954's length and never end it.
func TestUnendedAUTHLinesTakeLittleMemory(t *testing.T) {
	const clients = 100
	r := start(t, nil)
	var all []*client
	for range clients {
		c := dial(t, r.implicit)
		c.startTLS()
		c.hello()
		all = append(all, c)
	}
	before := heap()
	for _, c := range all {
		c.send("AUTH PLAIN " + strings.Repeat("A", 10_000))
	}
	each := int64(0)
	for end := time.Now().Add(10 * time.Second); each < 12<<10 && time.Now().Before(end); {
		each = (heap() - before) / clients
	}
	if each < 12<<10 || each > 40<<10 {
		t.Errorf("each takes %d octets", each)
	}
	for _, c := range all[:3] {
		c.ask("", "501 5.5.2 Malformed authentication response")
		c.ask("NOOP", "250 Ok")
	}
}

func TestInClearTextAUTHHasNoLengthOfItsOwn(t *testing.T) {
	c := dial(t, start(t, nil).starttls)
	c.hello()
	c.ask("AUTH PLAIN "+strings.Repeat("A", 1000), "530 Must issue a STARTTLS command first")
	c.ask("AUTH PLAIN "+strings.Repeat("A", 10_000), "500 5.5.2 Line too long")
	c.ask("NOOP", "250 Ok")
}

// Under TLS a client that says nothing holds no buffer for what it might say.
func TestUnderTLSOnlyBegunLinesHoldABuffer(t *testing.T) {
	const clients = 100
	r := start(t, nil)
	var all []*client
	for range clients {
		c := dial(t, r.implicit)
		c.startTLS()
		c.hello()
		all = append(all, c)
	}
	waiting := heap()
	for _, c := range all {
		c.send("NO")
	}
	each := int64(0)
	for end := time.Now().Add(10 * time.Second); each < 7<<10 && time.Now().Before(end); {
		each = (heap() - waiting) / clients
	}
	if each < 7<<10 || each > 12<<10 {
		t.Errorf("a begun line takes %d octets", each)
	}
	for _, c := range all {
		c.ask("OP", "250 Ok")
	}
	for end := time.Now().Add(10 * time.Second); each > 2<<10 && time.Now().Before(end); {
		each = (heap() - waiting) / clients
	}
	if each > 2<<10 {
		t.Errorf("%d octets are still held by each", each)
	}
}

func TestUnderTLSLinesComeInRecordsOfAnyLength(t *testing.T) {
	c := dial(t, start(t, nil).implicit)
	c.startTLS()
	c.hello()
	for _, octet := range "NOOP\r\n" {
		c.send(string(octet))
	}
	c.want("250 Ok")
	c.send("\n")
	c.want("500 5.5.2 Line does not end with CR LF")
	c.send("N")
	c.send("OOP\r\nNOOP\r\nNO")
	c.want("250 Ok")
	c.want("250 Ok")
	c.ask("OP", "250 Ok")
}

// What is thrown away has no line end to wait for.
func TestUnderTLSARefusedChunkIsAnsweredAtItsLastOctet(t *testing.T) {
	c := dial(t, start(t, nil).implicit)
	c.startTLS()
	c.hello()
	for _, chunk := range [][]string{{"", "x"}, {"abc", "x"}, {"", "\n"}, {"ab", "c", "", "d"}} {
		whole := strings.Join(chunk, "")
		c.send(fmt.Sprintf("BDAT %d LAST\r\n", len(whole)))
		for _, record := range chunk {
			c.send(record)
		}
		c.want("530 Authentication required")
	}
	c.ask("NOOP", "250 Ok")
}
