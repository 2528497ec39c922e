package delivery_test

import (
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

// BenchmarkCarry2KB counts both ends: the sink shares the machine.
func BenchmarkCarry2KB(b *testing.B) {
	mx, err := testmx.New(testmx.Options{Discard: true})
	if err != nil {
		b.Fatal(err)
	}
	defer mx.Close()
	c, err := delivery.New(delivery.Options{Hostname: "mta.example.com", AllowNetworks: loopback})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close(b.Context()) }()
	r := to(mx)
	body := strings.Repeat("0123456789 0123456789 0123456789 0123456789 0123456789 012345\r\n", 32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		j := job(b, body)
		for pb.Next() {
			if o := c.Carry(b.Context(), r, j); o[0].Result != mail.Delivered {
				b.Errorf("outcome %+v", o[0])
				return
			}
		}
	})
}
