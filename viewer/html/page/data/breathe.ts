/* Lets the browser draw and take input between two slices of work, when the last chance is some time ago. */
let last = 0

export async function breathe(): Promise<void> {
  const now = performance.now()
  if (now - last < 30) return
  await new Promise<void>((go) => {
    const channel = new MessageChannel()
    channel.port1.onmessage = () => {
      channel.port1.close()
      go()
    }
    channel.port2.postMessage(0)
  })
  last = performance.now()
}
