//! Handles of a thread.

/// Things under small numbers that are used again.
pub struct Numbered<T> {
    things: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Numbered<T> {
    pub const fn new() -> Self {
        Self { things: Vec::new(), free: Vec::new() }
    }

    pub fn add(&mut self, thing: T) -> u32 {
        let number = self.free.pop().unwrap_or(self.things.len() as u32);
        if number as usize == self.things.len() {
            self.things.push(None);
        }
        self.things[number as usize] = Some(thing);
        number
    }

    #[inline(always)]
    pub fn get(&self, number: u32) -> Option<&T> {
        self.things.get(number as usize)?.as_ref()
    }

    pub fn take(&mut self, number: u32) -> Option<T> {
        let thing = self.things.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(thing)
    }
}
