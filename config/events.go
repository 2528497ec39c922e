package config

import "time"

func (l *loader) events() {
	c := &l.c.Events
	if c.FileRotateBytes != 0 {
		l.within("events.file_rotate_bytes", c.FileRotateBytes, 1024, 1<<40)
	}
	if c.FileRotateEvery != 0 {
		l.lasting("events.file_rotate_every", c.FileRotateEvery, time.Minute, 366*24*time.Hour)
	}
	l.lasting("events.keep_for", c.KeepFor, 0, 30*24*time.Hour)
	l.lasting("events.park_after", c.ParkAfter, time.Minute, 30*24*time.Hour)
}
