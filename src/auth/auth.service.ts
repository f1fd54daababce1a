import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { QueryFailedError, type Repository } from 'typeorm';
import { AppError } from '../common/app-error.js';
import { newId } from '../common/ids.js';
import { accountGone } from './caller.js';
import { hashPassword, verifyNothing, verifyPassword } from './password.js';
import { User, type UserRole } from './user.entity.js';

@Injectable()
export class AuthService {
  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  /** @throws AppError `conflict` `EMAIL_TAKEN` */
  async register(email: string, password: string, role: UserRole = 'user'): Promise<User> {
    const user = this.users.create({ id: newId(), email, passwordHash: await hashPassword(password), role });
    try {
      await this.users.insert(user);
    } catch (error) {
      if (isUniqueViolation(error)) {
        throw new AppError('conflict', 'EMAIL_TAKEN', 'There is an account with this email: log in, or use another.');
      }
      throw error;
    }
    return this.byId(user.id);
  }

  /** @throws AppError `unauthorised` `WRONG_CREDENTIALS`, the same for an unknown email and a wrong password */
  async login(email: string, password: string): Promise<User> {
    const user = await this.users.findOneBy({ email });
    const matches = user ? await verifyPassword(user.passwordHash, password) : await verifyNothing(password);
    if (user && matches) return user;
    throw new AppError('unauthorised', 'WRONG_CREDENTIALS', 'Email or password is wrong.');
  }

  /** @throws AppError `unauthorised` `ACCOUNT_GONE` */
  async byId(id: string): Promise<User> {
    const user = await this.users.findOneBy({ id });
    if (!user) throw accountGone();
    return user;
  }

  /** The oldest account with the role `admin`, if there is any. */
  firstAdmin(): Promise<User | null> {
    return this.users.findOne({ where: { role: 'admin' }, order: { id: 'ASC' } });
  }
}

const UNIQUE_VIOLATION = '23505';

const isUniqueViolation = (error: unknown): boolean =>
  error instanceof QueryFailedError && (error.driverError as { code?: string }).code === UNIQUE_VIOLATION;
