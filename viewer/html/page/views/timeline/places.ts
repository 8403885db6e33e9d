/* Where one has been, for the way back. */
import type { ViewState } from '../../state'

export type Stop = Pick<ViewState, 'focus' | 'visible'>
const MOST = 100

export class Places {
  private stops: Stop[] = []

  push(stop: Stop): void {
    this.stops.push(stop)
    if (this.stops.length > MOST) this.stops.shift()
  }

  pop(): Stop | null {
    return this.stops.pop() ?? null
  }

  get length(): number {
    return this.stops.length
  }
}
